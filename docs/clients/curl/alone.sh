# 2026-07-28: requests without a session, and the extensions. Sourced by ../curl.sh.

version=2026-07-28
capabilities='{"sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}, "roots": {}, "extensions":
    {"io.modelcontextprotocol/tasks": {}, "io.modelcontextprotocol/skills": {}}}'

send() { # send METHOD NAME PARAMS: make a request that stands alone; PARAMS without the braces
    post "{\"jsonrpc\": \"2.0\", \"id\": $id, \"method\": \"$1\", \"params\": {${3:+$3, }\"_meta\": {
        \"progressToken\": $id, \"io.modelcontextprotocol/protocolVersion\": \"$version\",
        \"io.modelcontextprotocol/clientCapabilities\": $capabilities}}}" \
        -H "Mcp-Method: $1" ${2:+-H "Mcp-Name: $2"}
}

alone() { # alone METHOD NAME PARAMS: the same, and wait for the answer
    id=$((id + 1))
    send "$@" >"$answer"
}

listen() { # listen FILTER: hear of changes, in the background, from the acknowledgement on
    : >"$scratch/heard"
    id=$((id + 1))
    { run=exec && send subscriptions/listen '' "\"notifications\": {$1}"; } >"$scratch/heard" &
    listener=$!
    wait_for notifications/subscriptions/acknowledged "$scratch/heard"
}

question() { # question: the key under which the last answer asks
    tr -d ' \n' <"$answer" | sed 's/.*"inputRequests":{"\([^"]*\)".*/\1/'
}

step "Discovery without a session"
alone server/discover '' ''
expect supportedVersions
alone tools/call echo '"name": "echo", "arguments": {"message": "hello"}'
expect 'Echo: hello'
version=2099-01-01
alone tools/list '' ''
version=2026-07-28
expect -32022

step "Multi-round-trip requests: the result asks, the client calls again"
form='"name": "elicitInputs", "arguments": {}'
alone tools/call elicitInputs "$form"
expect input_required
alone tools/call elicitInputs "$form, \"inputResponses\": {\"$(question)\": {\"action\": \"decline\"}}"
expect 'Elicitation result'

step "Several rounds: the client passes the state from one to the next"
prompt='"name": "sample-with-tools", "arguments": {"prompt": "How much is 6 x 7?"}'
alone tools/call sample-with-tools "$prompt"
expect requestState
alone tools/call sample-with-tools "$prompt, \"requestState\": \"$(value requestState <"$answer")\",
    \"inputResponses\": {\"$(question)\": {\"role\": \"assistant\", \"model\": \"a-person\",
    \"stopReason\": \"toolUse\", \"content\": [{\"type\": \"tool_use\", \"id\": \"use-1\",
    \"name\": \"multiply\", \"input\": {\"a\": 6, \"b\": 7}}]}}"
expect tool_result
alone tools/call sample-with-tools "$prompt, \"requestState\": \"$(value requestState <"$answer")\",
    \"inputResponses\": {\"$(question)\": {\"role\": \"assistant\", \"model\": \"a-person\",
    \"content\": {\"type\": \"text\", \"text\": \"It is 42.\"}}}"
expect 'After 2 turns the model said: It is 42.'

step "Changes, on one stream for all subscriptions"
listen '"resourcesListChanged": true'
alone tools/call create-note '"name": "create-note", "arguments": {"title": "Tea", "text": "Buy some."}'
note=$(sed 's|.*\(note://[^"]*\)".*|\1|' "$answer")
wait_for notifications/resources/list_changed "$scratch/heard"
hush
listen "\"resourceSubscriptions\": [\"$note\"]"
alone tools/call edit-note "\"name\": \"edit-note\", \"arguments\":
    {\"noteId\": \"${note##*/}\", \"text\": \"Bought.\"}"
wait_for notifications/resources/updated "$scratch/heard"
hush
alone resources/read "$note" "\"uri\": \"$note\""
expect Bought.
alone tools/call delete-note "\"name\": \"delete-note\", \"arguments\": {\"noteId\": \"${note##*/}\"}"
expect Deleted

step "Cancelling a call by closing its stream"
id=$((id + 1))
send tools/call longRunningOperation '"name": "longRunningOperation",
    "arguments": {"duration": 60, "steps": 600}' | sed '/notifications\/progress/q' >"$answer"
expect '"progress":1'

poll() { # poll STATUS: look at the task until it is so
    tries=0
    until alone tasks/get "$task" "\"taskId\": \"$task\"" && grep -qF "\"status\":\"$1\"" "$answer"; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || break
        sleep 1
    done
    expect "\"status\":\"$1\""
}

step "A task that asks a question, followed on a stream"
alone tools/call simulate-research-query '"name": "simulate-research-query",
    "arguments": {"topic": "tea", "ambiguous": true}'
expect '"resultType":"task"'
task=$(value taskId <"$answer")
listen "\"taskIds\": [\"$task\"]"
wait_for input_required "$scratch/heard"
alone tasks/update "$task" "\"taskId\": \"$task\", \"inputResponses\": {\"interpretation\":
    {\"action\": \"accept\", \"content\": {\"interpretation\": \"technical\"}}}"
wait_for 'Research report: tea (technical)' "$scratch/heard"
hush

step "The same, by polling"
alone tools/call confirm_delete '"name": "confirm_delete", "arguments": {"filename": "notes.txt"}'
task=$(value taskId <"$answer")
poll input_required
alone tasks/update "$task" "\"taskId\": \"$task\",
    \"inputResponses\": {\"$(question)\": {\"action\": \"accept\", \"content\": {\"confirm\": true}}}"
poll completed
expect 'was deleted (not really)'

step "A task that creates something"
alone tools/call draft-note '"name": "draft-note", "arguments": {"title": "Tea", "secondsPerLine": 0.1}'
task=$(value taskId <"$answer")
poll completed
note=$(sed 's|.*\(note://[^"]*\)".*|\1|' "$answer")
alone tools/call delete-note "\"name\": \"delete-note\", \"arguments\": {\"noteId\": \"${note##*/}\"}"
expect Deleted

step "Cancelling a task"
alone tools/call slow_compute '"name": "slow_compute", "arguments": {"seconds": 60}'
task=$(value taskId <"$answer")
alone tasks/cancel "$task" "\"taskId\": \"$task\""
poll cancelled

step "Skills: list and fetch them, and read their files and folders"
skill=skill://try-everything/SKILL.md
alone skills/list '' ''
expect "$skill"
alone skills/get "$skill" "\"uri\": \"$skill\""
expect frontmatter
alone resources/read "$skill" "\"uri\": \"$skill\""
expect 'name: try-everything'
alone resources/directory/read "${skill%/*}" "\"uri\": \"${skill%/*}\""
expect inode/directory

step "An app: a tool with a page that the host shows"
alone tools/call mcp_apps_hello_world '"name": "mcp_apps_hello_world"'
expect structuredContent
alone resources/read ui://hello-world/app.html '"uri": "ui://hello-world/app.html"'
expect '<html'
