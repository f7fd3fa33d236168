# A session of 2025-11-25: what needs no client features. Sourced by ../curl.sh.

version=2025-11-25

request() { # request METHOD PARAMS: make a request in the session
    id=$((id + 1))
    post "{\"jsonrpc\": \"2.0\", \"id\": $id, \"method\": \"$1\", \"params\": $2}" \
        -H "Mcp-Session-Id: $session" >"$answer"
}

notify() { # notify METHOD PARAMS: send a notification in the session
    post "{\"jsonrpc\": \"2.0\", \"method\": \"$1\", \"params\": $2}" -H "Mcp-Session-Id: $session" >"$answer"
}

call() { request tools/call "{\"name\": \"$1\", \"arguments\": $2}"; } # call TOOL ARGUMENTS

begin() { # begin PARAMS: make a call in the session whose stream stays open in the background
    : >"$scratch/stream"
    id=$((id + 1))
    { run=exec && post "{\"jsonrpc\": \"2.0\", \"id\": $id, \"method\": \"tools/call\", \"params\": $1}" \
        -H "Mcp-Session-Id: $session"; } >"$scratch/stream" &
    listener=$!
}

ended() { # ended: that stream has ended; what was on it is the answer
    wait "$listener"
    listener=
    cp "$scratch/stream" "$answer"
}

initialize() { # initialize: open a session at $version
    post "{\"jsonrpc\": \"2.0\", \"id\": 0, \"method\": \"initialize\", \"params\": {
        \"protocolVersion\": \"$version\", \"clientInfo\": {\"name\": \"curl\", \"version\": \"1\"},
        \"capabilities\": {\"sampling\": {\"tools\": {}}, \"elicitation\": {\"form\": {}, \"url\": {}},
        \"roots\": {}}}}" >"$answer"
    expect everything-server
    session=$(field 'Mcp-Session-Id')
    notify notifications/initialized '{}'
}

get() { # get [CURL OPTION...]: a stream of the session, to standard output
    $run curl -s -N -m 60 "$resource" -H "Authorization: Bearer $access" -H 'Accept: text/event-stream' \
        -H "Mcp-Session-Id: $session" -H "MCP-Protocol-Version: $version" "$@"
}

resume() { # resume: go on after the last event of the answer
    last=$(sed -n 's/^id: *//p' "$answer" | tail -n 1)
    get -H "Last-Event-ID: $last" >"$answer"
}

step "Initialize"
initialize

step "Ping"
request ping '{}'
expect '"result":{}'

step "Tools"
request tools/list '{}'
expect longRunningOperation
expect '"icons"'
call echo '{"message": "hello"}'
expect 'Echo: hello'
call add '{"a": 2, "b": 40}'
expect 'The sum of 2 and 40 is 42.'
call add '{"a": "two", "b": 40}'
expect '"isError":true'
call no-such-tool '{}'
expect -32602

step "Content types: structured content, image, audio, annotations, resources and links"
call get-structured-content '{"location": "Chicago"}'
expect structuredContent
call getTinyImage '{}'
expect image/png
call get-tiny-audio '{}'
expect audio/wav
call annotatedMessage '{"messageType": "error", "includeImage": true}'
expect '"priority":1.0'
call getResourceReference '{"resourceId": 7}'
expect test://static/resource/7
call get-resource-links '{"count": 2}'
expect resource_link

step "A file that the server compresses: a resource of this session"
call gzip-file-as-resource '{"name": "tea.gz", "data": "data:,Buy%20some."}'
expect session://files/tea.gz
request resources/read '{"uri": "session://files/tea.gz"}'
expect application/gzip

step "Resources, in pages"
request resources/list '{}'
expect nextCursor
request resources/list "{\"cursor\": \"$(value nextCursor <"$answer")\"}"
expect test://static/resource/11
request resources/read '{"uri": "test://static/resource/1"}'
expect 'This is a plaintext resource'
request resources/read '{"uri": "test://static/resource/2"}'
expect '"blob"'
request resources/read '{"uri": "test://static/resource/101"}'
expect -32002

step "Templates, with completion of their variables"
request resources/templates/list '{}'
expect 'note://{space}/{id}'
expect 'session://files/{name}'
request completion/complete '{"ref": {"type": "ref/resource", "uri": "test://static/resource/{id}"},
    "argument": {"name": "id", "value": "9"}}'
expect '"99"'

step "Prompts"
request prompts/list '{}'
expect resource_prompt
request prompts/get '{"name": "simple_prompt"}'
expect 'without arguments'
request prompts/get '{"name": "complex_prompt", "arguments": {"temperature": "0.5", "style": "formal"}}'
expect 'style=formal'
request prompts/get '{"name": "resource_prompt", "arguments": {"resourceId": "3"}}'
expect test://static/resource/3
request prompts/get '{"name": "media_prompt"}'
expect audio/wav

step "Completion, also depending on earlier arguments"
request completion/complete '{"ref": {"type": "ref/prompt", "name": "complex_prompt"},
    "argument": {"name": "style", "value": "f"}}'
expect friendly
request completion/complete '{"ref": {"type": "ref/prompt", "name": "complex_prompt"},
    "argument": {"name": "temperature", "value": ""}, "context": {"arguments": {"style": "formal"}}}'
expect '["0","0.5"]'

step "A note, which is a resource of $name alone; clients that have read the list are notified of the change"
: >"$scratch/heard"
{ run=exec && get; } >"$scratch/heard" &
listener=$!
wait_for 'id:' "$scratch/heard"
call create-note '{"title": "Tea", "text": "Buy some."}'
expect note://
note=$(sed 's|.*\(note://[^"]*\)".*|\1|' "$answer")
wait_for notifications/resources/list_changed "$scratch/heard"
request resources/subscribe "{\"uri\": \"$note\"}"
call edit-note "{\"noteId\": \"${note##*/}\", \"text\": \"Bought.\"}"
wait_for notifications/resources/updated "$scratch/heard"
request resources/unsubscribe "{\"uri\": \"$note\"}"
request resources/read "{\"uri\": \"$note\"}"
expect Bought.
call delete-note "{\"noteId\": \"${note##*/}\"}"
expect Deleted

step "Logging, and simulated notifications, which are stopped and started again"
request logging/setLevel '{"level": "debug"}'
wait_for 'Logging level set to: debug' "$scratch/heard"
for toggle in toggle-simulated-logging toggle-subscriber-updates; do
    call "$toggle" '{}'
    expect 'Stopped simulated'
    call "$toggle" '{}'
    expect 'Started simulated'
done
hush

step "A stream with progress"
long='"name": "longRunningOperation", "_meta": {"progressToken": "p"}'
soon="{$long, \"arguments\": {\"duration\": 1, \"steps\": 4}}"
request tools/call "$soon"
expect 'Steps: 4.'

step "The same, disconnected after the first progress and resumed with Last-Event-ID"
id=$((id + 1))
post "{\"jsonrpc\": \"2.0\", \"id\": $id, \"method\": \"tools/call\", \"params\": $soon}" \
    -H "Mcp-Session-Id: $session" | sed '/notifications\/progress/q' >"$answer"
expect '"progress":1'
resume
expect 'Steps: 4.'

step "The same, cancelled: there is no response"
begin "{$long, \"arguments\": {\"duration\": 60, \"steps\": 600}}"
wait_for notifications/progress "$scratch/stream"
notify notifications/cancelled "{\"requestId\": $id, \"reason\": \"no more tea\"}"
ended
! grep -q '"result"' "$answer" || { echo "A cancelled call got a response." >&2; exit 1; }
