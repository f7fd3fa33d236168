#!/bin/sh
# Everything Server with nothing but curl, openssl and POSIX tools: signs in and walks every feature.
#
#     sh docs/clients/curl.sh http://localhost:3232 [NAME]
#
# NAME is who to be at the fake identity provider (default: alice). It prints each step and the answer; the first
# answer that is not as expected ends it with status 1.
set -eu

base=${1:?usage: curl.sh BASE_URI [NAME]}
name=${2:-alice}
callback=http://127.0.0.1:33418/callback
scratch=$(mktemp -d)
listener=
trap '[ -z "$listener" ] || kill "$listener" 2>/dev/null; rm -rf "$scratch"' EXIT
answer=$scratch/answer head=$scratch/head cookies=$scratch/cookies page=$scratch/page

step() { printf '\n== %s\n' "$1"; }

expect() { # expect TEXT: the last answer has it
    head -c 600 "$answer"
    echo
    grep -qF -- "$1" "$answer" || { echo "Expected: $1" >&2; exit 1; }
}

wait_for() { # wait_for TEXT FILE: what runs in the background has written it
    tries=0
    until grep -qsF -- "$1" "$2"; do
        tries=$((tries + 1))
        [ "$tries" -lt 30 ] || { echo "Never heard: $1" >&2; exit 1; }
        sleep 1
    done
}

value() { # value NAME: the first string of that name in the JSON on standard input
    tr '{},[]' '\n\n\n\n\n' | sed -n "s/^ *\"$1\": *\"\(.*\)\" *\$/\1/p" | head -n 1
}

field() { # field NAME: the value of a header of the last answer
    tr -d '\r' <"$head" | sed -n "s/^$1: *//p" | tail -n 1
}

encoded() { printf %s "$1" | sed 's/%/%25/g; s/:/%3A/g; s/\//%2F/g; s/+/%2B/g; s/=/%3D/g; s/&/%26/g'; }

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

step "Discovery: the challenge leads to the resource's metadata, and that to the authorization server's"
curl -s -m 20 -D "$head" -o "$answer" -X POST "$base/mcp"
resource_metadata=$(field 'WWW-Authenticate' | sed 's/.*resource_metadata="\([^"]*\)".*/\1/')
curl -s -m 20 "$resource_metadata" >"$answer"
expect authorization_servers
resource=$(value resource <"$answer")
issuer=$(tr -d ' \n' <"$answer" | sed 's/.*"authorization_servers":\["\([^"]*\)".*/\1/')
curl -s -m 20 "${issuer%/}/.well-known/oauth-authorization-server" >"$answer"
expect code_challenge_methods_supported
authorize=$(value authorization_endpoint <"$answer")
token=$(value token_endpoint <"$answer")
register=$(value registration_endpoint <"$answer")

step "Registration"
curl -s -m 20 -H 'Content-Type: application/json' "$register" >"$answer" -d "{\"client_name\": \"curl\",
    \"redirect_uris\": [\"$callback\"], \"token_endpoint_auth_method\": \"none\"}"
expect client_id
client=$(value client_id <"$answer")

step "Authorization with PKCE: sign in as $name at the fake identity provider, and consent"
verifier=$(openssl rand 48 | base64url)
challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64url)
state=$(openssl rand 12 | base64url)

submit() { # submit FIELD=VALUE: press a button of the page in $page, which came from $where
    action=$(sed -n 's/.*<form method="post" action="\([^"]*\)".*/\1/p' "$page" | head -n 1 | sed 's/&amp;/\&/g')
    csrf=$(sed -n 's/.*name="csrfmiddlewaretoken" value="\([^"]*\)".*/\1/p' "$page" | head -n 1)
    curl -s -m 20 -b "$cookies" -c "$cookies" -e "$where" -o "$page" -w '%{redirect_url}' \
        --data-urlencode "csrfmiddlewaretoken=$csrf" --data-urlencode "$1" "${issuer%/}$action"
}

query="response_type=code&client_id=$(encoded "$client")&redirect_uri=$(encoded "$callback")&state=$state"
query="$query&code_challenge=$challenge&code_challenge_method=S256&scope=mcp&resource=$(encoded "$resource")"
where=$(curl -s -m 20 -L -b "$cookies" -c "$cookies" -o "$page" -w '%{url_effective}' "$authorize?$query")
next=$(submit "name=$name")
where=$(curl -s -m 20 -L -b "$cookies" -c "$cookies" -o "$page" -w '%{url_effective}' "$next")
submit decision=allow >"$answer"
expect "state=$state"
expect "iss=$(encoded "$issuer")"
code=$(sed 's/.*[?&]code=\([^&]*\).*/\1/' "$answer")

step "Token"
curl -s -m 20 "$token" >"$answer" --data-urlencode "grant_type=authorization_code" \
    --data-urlencode "code=$code" --data-urlencode "code_verifier=$verifier" \
    --data-urlencode "client_id=$client" --data-urlencode "redirect_uri=$callback" \
    --data-urlencode "resource=$resource"
grep -q access_token "$answer" || { cat "$answer" >&2; exit 1; }
access=$(value access_token <"$answer")
echo "(not shown)"

# --- The revisions with a handshake --------------------------------------------------------------

version=2025-11-25
id=0

mcp() { # mcp BODY [CURL OPTION...]: post a message in the session
    body=$1
    shift
    curl -s -N -m 30 -D "$head" "$resource" -H "Authorization: Bearer $access" \
        -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
        -H "MCP-Protocol-Version: $version" -d "$body" "$@"
}

request() { # request METHOD PARAMS: make a request in the session
    id=$((id + 1))
    mcp "{\"jsonrpc\": \"2.0\", \"id\": $id, \"method\": \"$1\", \"params\": $2}" \
        -H "Mcp-Session-Id: $session" >"$answer"
}

call() { request tools/call "{\"name\": \"$1\", \"arguments\": $2}"; } # call TOOL ARGUMENTS

resume() { # resume: go on after the last event of the answer
    last=$(sed -n 's/^id: *//p' "$answer" | tail -n 1)
    curl -s -N -m 30 "$resource" -H "Authorization: Bearer $access" -H 'Accept: text/event-stream' \
        -H "Mcp-Session-Id: $session" -H "MCP-Protocol-Version: $version" -H "Last-Event-ID: $last" >"$answer"
}

step "Initialize"
mcp "{\"jsonrpc\": \"2.0\", \"id\": 0, \"method\": \"initialize\", \"params\": {\"protocolVersion\": \"$version\",
    \"capabilities\": {\"sampling\": {}, \"elicitation\": {}}, \"clientInfo\": {\"name\": \"curl\", \"version\": \"1\"}}}" >"$answer"
expect everything-server
session=$(field 'Mcp-Session-Id')
mcp '{"jsonrpc": "2.0", "method": "notifications/initialized"}' -H "Mcp-Session-Id: $session" >"$answer"

step "Tools"
request tools/list '{}'
expect longRunningOperation
call add '{"a": 2, "b": 40}'
expect 'The sum of 2 and 40 is 42.'
call get-structured-content '{"location": "Chicago"}'
expect structuredContent
call add '{"a": "two", "b": 40}'
expect '"isError":true'

step "Resources, in pages"
request resources/list '{}'
expect nextCursor
request resources/list "{\"cursor\": \"$(value nextCursor <"$answer")\"}"
expect test://static/resource/11
request resources/read '{"uri": "test://static/resource/1"}'
expect 'This is a plaintext resource'
request resources/templates/list '{}'
expect 'note://{space}/{id}'

step "Prompts and completion"
request prompts/get '{"name": "complex_prompt", "arguments": {"temperature": "0.5", "style": "formal"}}'
expect messages
request completion/complete '{"ref": {"type": "ref/prompt", "name": "complex_prompt"},
    "argument": {"name": "style", "value": "f"}}'
expect friendly

step "A note, which is a resource of $name alone"
call create-note '{"title": "Tea", "text": "Buy some."}'
expect note://
note=$(sed 's/.*\(note:[^"]*\)".*/\1/' "$answer")
request resources/subscribe "{\"uri\": \"$note\"}"
curl -s -N -m 60 "$resource" -H "Authorization: Bearer $access" -H 'Accept: text/event-stream' \
    -H "Mcp-Session-Id: $session" -H "MCP-Protocol-Version: $version" >"$scratch/heard" &
listener=$!
wait_for 'id:' "$scratch/heard"
call edit-note "{\"noteId\": \"${note##*/}\", \"text\": \"Bought.\"}"
wait_for notifications/resources/updated "$scratch/heard"
kill "$listener"
listener=
request resources/read "{\"uri\": \"$note\"}"
expect Bought.
call delete-note "{\"noteId\": \"${note##*/}\"}"
expect Deleted

step "A stream with progress"
long='{"name": "longRunningOperation", "arguments": {"duration": 1, "steps": 4}, "_meta": {"progressToken": "p"}}'
request tools/call "$long"
expect 'Steps: 4.'

step "The same, broken off after the first progress and resumed with Last-Event-ID"
id=$((id + 1))
mcp "{\"jsonrpc\": \"2.0\", \"id\": $id, \"method\": \"tools/call\", \"params\": $long}" \
    -H "Mcp-Session-Id: $session" | sed '/notifications\/progress/q' >"$answer"
expect '"progress":1'
resume
expect 'Steps: 4.'

step "Sampling: the server asks, the stream breaks, the answer is posted, the stream is resumed"
id=$((id + 1))
mcp "{\"jsonrpc\": \"2.0\", \"id\": $id, \"method\": \"tools/call\", \"params\":
    {\"name\": \"sampleLLM\", \"arguments\": {\"prompt\": \"Capital of France?\"}}}" \
    -H "Mcp-Session-Id: $session" -m 2 >"$answer" || true
expect sampling/createMessage
asked=$(sed -n 's/^data: *\({.*\)/\1/p' "$answer" | value id)
mcp "{\"jsonrpc\": \"2.0\", \"id\": \"$asked\", \"result\": {\"role\": \"assistant\", \"model\": \"a-person\",
    \"content\": {\"type\": \"text\", \"text\": \"Paris\"}}}" -H "Mcp-Session-Id: $session" >"$scratch/posted"
resume
expect 'LLM sampling result: Paris'

step "Logging"
request logging/setLevel '{"level": "debug"}'
expect '"result":{}'

step "The end of the session"
curl -s -m 20 -X DELETE "$resource" -H "Authorization: Bearer $access" -H "Mcp-Session-Id: $session" \
    -H "MCP-Protocol-Version: $version" -o "$answer" -w '%{http_code}\n'
request ping '{}'
tr -d '\r' <"$head" >"$answer"
expect ' 404 '

# --- 2026-07-28 ----------------------------------------------------------------------------------

version=2026-07-28

alone() { # alone METHOD NAME PARAMS: make a request that stands alone; PARAMS without the braces
    id=$((id + 1))
    mcp "{\"jsonrpc\": \"2.0\", \"id\": $id, \"method\": \"$1\", \"params\": {${3:+$3, }\"_meta\": {
        \"io.modelcontextprotocol/protocolVersion\": \"$version\", \"io.modelcontextprotocol/clientCapabilities\":
        {\"elicitation\": {}, \"extensions\": {\"io.modelcontextprotocol/tasks\": {}}}}}}" \
        -H "Mcp-Method: $1" ${2:+-H "Mcp-Name: $2"} >"$answer"
}

step "Discovery without a session"
alone server/discover '' ''
expect supportedVersions
alone tools/call echo '"name": "echo", "arguments": {"message": "hello"}'
expect 'Echo: hello'

step "Rounds: the result asks, the client calls again"
form='"name": "elicitInputs", "arguments": {}'
alone tools/call elicitInputs "$form"
expect input_required
key=$(tr -d ' \n' <"$answer" | sed 's/.*"inputRequests":{"\([^"]*\)".*/\1/')
alone tools/call elicitInputs "$form, \"inputResponses\": {\"$key\": {\"action\": \"decline\"}}"
expect 'Elicitation result'

step "A task that asks"
alone tools/call confirm_delete '"name": "confirm_delete", "arguments": {"filename": "notes.txt"}'
expect '"resultType":"task"'
task=$(value taskId <"$answer")

poll() { # poll STATUS: look at the task until it is so
    tries=0
    until alone tasks/get "$task" "\"taskId\": \"$task\"" && grep -qF "\"status\":\"$1\"" "$answer"; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || break
        sleep 1
    done
    expect "\"status\":\"$1\""
}

poll input_required
key=$(tr -d ' \n' <"$answer" | sed 's/.*"inputRequests":{"\([^"]*\)".*/\1/')
alone tasks/update "$task" "\"taskId\": \"$task\",
    \"inputResponses\": {\"$key\": {\"action\": \"accept\", \"content\": {\"confirm\": true}}}"
poll completed
expect 'was deleted (not really)'

step "A task that is cancelled"
alone tools/call slow_compute '"name": "slow_compute", "arguments": {"seconds": 60}'
task=$(value taskId <"$answer")
alone tasks/cancel "$task" "\"taskId\": \"$task\""
poll cancelled

step "Skills and apps"
alone skills/list '' ''
expect skill://
alone resources/read ui://hello-world/app.html '"uri": "ui://hello-world/app.html"'
expect '<html'

step "A tool that needs a further scope: the challenge says which, and a client asks for all of them anew"
alone tools/call describe-server '"name": "describe-server"'
field 'WWW-Authenticate' >"$answer"
expect 'error="insufficient_scope"'
expect 'scope="mcp mcp:admin"'

printf '\nEvery feature answered as expected.\n'
