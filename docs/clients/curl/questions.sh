# The same session: requests from the server to the client. Sourced by ../curl.sh.

ask() { begin "{\"name\": \"$1\", \"arguments\": $2}"; } # ask TOOL ARGUMENTS: call one that asks something

reply() { # reply TEXT RESULT: answer the question that has the text
    wait_for "$1" "$scratch/stream"
    asked=$(grep -F -- "$1" "$scratch/stream" | tail -n 1 | sed 's/^data: *//' | value id)
    post "{\"jsonrpc\": \"2.0\", \"id\": \"$asked\", \"result\": $2}" -H "Mcp-Session-Id: $session" >"$answer"
}

answered() { # answered TEXT: the call has ended with it
    ended
    wait_for "$1" "$answer"
}

paris='{"role": "assistant", "model": "a-person", "content": {"type": "text", "text": "Paris"}}'

step "Sampling: the server asks on the stream of the call, and the client posts the response"
ask sampleLLM '{"prompt": "Capital of France?"}'
reply sampling/createMessage "$paris"
answered 'LLM sampling result: Paris'

step "The same, with a stream that breaks and is resumed"
ask sampleLLM '{"prompt": "Capital of France?"}'
wait_for sampling/createMessage "$scratch/stream"
hush
reply sampling/createMessage "$paris"
cp "$scratch/stream" "$answer"
resume
expect 'LLM sampling result: Paris'

step "Sampling with a tool: the model calls it, then answers"
ask sample-with-tools '{"prompt": "How much is 6 x 7?"}'
reply sampling/createMessage '{"role": "assistant", "model": "a-person", "stopReason": "toolUse",
    "content": [{"type": "tool_use", "id": "use-1", "name": "multiply", "input": {"a": 6, "b": 7}}]}'
reply tool_result '{"role": "assistant", "model": "a-person", "content": {"type": "text", "text": "It is 42."}}'
answered 'After 2 turns the model said: It is 42.'

step "Elicitation: the user fills in a form"
ask elicitInputs '{}'
reply elicitation/create '{"action": "accept", "content": {"name": "Alice"}}'
answered Alice

step "Elicitation: the user visits a page, or must do so first"
ask trigger-url-elicitation '{"url": "https://example.com/terms"}'
reply elicitation/create '{"action": "accept"}'
answered 'The user agreed to open'
wait_for notifications/elicitation/complete "$answer"
call trigger-url-elicitation '{"url": "https://example.com/terms", "errorPath": true}'
expect -32042

step "Roots"
ask get-roots-list '{}'
reply roots/list '{"roots": [{"uri": "file:///home/alice/project", "name": "project"}]}'
answered file:///home/alice/project

step "Ending the session"
curl -s -m 20 -X DELETE "$resource" -H "Authorization: Bearer $access" -H "Mcp-Session-Id: $session" \
    -H "MCP-Protocol-Version: $version" -o "$answer" -w '%{http_code}\n'
request ping '{}'
tr -d '\r' <"$head" >"$answer"
expect ' 404 '
