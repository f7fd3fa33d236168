# What only the first two revisions have. Sourced by ../curl.sh.

step "2025-03-26: several messages in one batch"
version=2025-03-26
initialize
post '[{"jsonrpc": "2.0", "id": 1, "method": "ping"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params":
    {"name": "add", "arguments": {"a": 2, "b": 40}}}]' \
    -H "Mcp-Session-Id: $session" >"$answer"
expect 'The sum of 2 and 40 is 42.'

step "2024-11-05: a stream to listen on, and an endpoint to post to"
version=2024-11-05
: >"$scratch/heard"
curl -s -N -m 60 "${resource%/mcp}/sse" -H "Authorization: Bearer $access" -H 'Accept: text/event-stream' \
    >"$scratch/heard" &
listener=$!
wait_for /message? "$scratch/heard"
address=$(tr -d '\r' <"$scratch/heard" | sed -n 's/^data: *//p' | head -n 1)

message() { # message BODY: the answer comes on the stream
    curl -s -m 20 "${resource%/mcp}$address" -H "Authorization: Bearer $access" \
        -H 'Content-Type: application/json' -o "$answer" -w '%{http_code}\n' -d "$1"
}

message "{\"jsonrpc\": \"2.0\", \"id\": 0, \"method\": \"initialize\", \"params\": {\"protocolVersion\":
    \"$version\", \"capabilities\": {}, \"clientInfo\": {\"name\": \"curl\", \"version\": \"1\"}}}"
wait_for serverInfo "$scratch/heard"
message '{"jsonrpc": "2.0", "method": "notifications/initialized"}'
message '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params":
    {"name": "echo", "arguments": {"message": "hello"}}}'
wait_for 'Echo: hello' "$scratch/heard"
hush
