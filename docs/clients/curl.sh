#!/bin/sh
# Everything Server with only curl, openssl and POSIX tools: signs in and uses every feature.
#
#     sh docs/clients/curl.sh http://localhost:3232 [NAME]
#
# The URL may also be that of the endpoint, with /mcp. NAME is the user to sign in as at the fake identity provider
# (default: alice). The script prints each step and the response, and stops with status 1 at the first unexpected one.
# This file signs in; the features are in the folder curl/.
set -eu

for tool in curl openssl; do
    command -v "$tool" >/dev/null || { echo "$tool is required: install it first." >&2; exit 2; }
done
case ${1--h} in -*) echo "usage: sh curl.sh BASE_URI [NAME]" >&2; exit 2 ;; esac
base=${1%/}
base=${base%/mcp}
name=${2:-alice}
callback=http://127.0.0.1:33418/callback
scratch=$(mktemp -d)
listener=

finish() { # whatever a command in here ends with, the script ends with 0, 1 or 2
    status=$?
    [ -z "$listener" ] || kill "$listener" 2>/dev/null || true
    rm -rf "$scratch"
    case $status in 0 | 1 | 2) exit "$status" ;; esac
    echo "$base does not answer as expected (a command ended with status $status)." >&2
    exit 1
}
trap finish EXIT
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
        [ "$tries" -lt 30 ] || { echo "Never received: $1" >&2; exit 1; }
        sleep 1
    done
    grep -F -- "$1" "$2" | tail -n 1 | head -c 600
    echo
}

hush() { # hush: end what runs in the background
    kill "$listener"
    wait "$listener" 2>/dev/null || true
    listener=
}

value() { # value NAME: the first string of that name in the JSON on standard input
    tr '{},[]' '\n\n\n\n\n' | sed -n "s/^ *\"$1\": *\"\(.*\)\" *\$/\1/p" | head -n 1
}

field() { # field NAME: the value of a header of the last answer; HTTP/2 has names in lower case
    tr -d '\r' <"$head" | awk -v name="$1:" '
        tolower(substr($0, 1, length(name))) == tolower(name) { value = substr($0, length(name) + 1) }
        END { sub(/^ */, "", value); print value }'
}

encoded() { printf %s "$1" | sed 's/%/%25/g; s/:/%3A/g; s/\//%2F/g; s/+/%2B/g; s/=/%3D/g; s/&/%26/g'; }

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

step "Discovery: the challenge names the resource's metadata, and that names the authorization server"
curl -sS -m 20 -D "$head" -o "$answer" -X POST "$base/mcp"
resource_metadata=$(field 'WWW-Authenticate' | sed -n 's/.*resource_metadata="\([^"]*\)".*/\1/p')
[ -n "$resource_metadata" ] || { echo "There is no MCP endpoint at $base/mcp that requires sign-in." >&2; exit 1; }
curl -s -m 20 "$resource_metadata" >"$answer"
expect authorization_servers
resource=$(value resource <"$answer")
issuer=$(tr -d ' \n' <"$answer" | sed 's/.*"authorization_servers":\["\([^"]*\)".*/\1/')
curl -s -m 20 "${issuer%/}/.well-known/oauth-authorization-server" >"$answer"
expect code_challenge_methods_supported
authorize=$(value authorization_endpoint <"$answer")
token=$(value token_endpoint <"$answer")
register=$(value registration_endpoint <"$answer")
revoke=$(value revocation_endpoint <"$answer")

step "Registration"
curl -s -m 20 -H 'Content-Type: application/json' "$register" >"$answer" -d "{\"client_name\": \"curl\",
    \"redirect_uris\": [\"$callback\"], \"token_endpoint_auth_method\": \"none\"}"
expect client_id
client=$(value client_id <"$answer")

submit() { # submit FIELD=VALUE: press a button of the page in $page, which came from $where
    action=$(sed -n 's/.*<form method="post" action="\([^"]*\)".*/\1/p' "$page" | head -n 1 | sed 's/&amp;/\&/g')
    csrf=$(sed -n 's/.*name="csrfmiddlewaretoken" value="\([^"]*\)".*/\1/p' "$page" | head -n 1)
    curl -s -m 20 -b "$cookies" -c "$cookies" -e "$where" -o "$page" -w '%{redirect_url}' \
        --data-urlencode "csrfmiddlewaretoken=$csrf" --data-urlencode "$1" "${issuer%/}$action"
}

must_ask() { # must_ask: the page in $page is a form, and no refusal
    said=$(sed -n 's/.*<p class="errors"[^>]*>\([^<]*\)<.*/\1/p; s/.*<p>\([^<]*\)<\/p>.*/\1/p' "$page" | head -n 1)
    if grep -q 'class="errors"' "$page" || ! grep -q '<form method="post"' "$page"; then
        echo "$name is not signed in: ${said:-the page has no form}" >&2
        exit 1
    fi
}

sign_in() { # sign_in SCOPES: with PKCE, as $name at the fake identity provider, who consents
    verifier=$(openssl rand 48 | base64url)
    challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64url)
    state=$(openssl rand 12 | base64url)
    query="response_type=code&client_id=$(encoded "$client")&redirect_uri=$(encoded "$callback")&state=$state"
    query="$query&code_challenge=$challenge&code_challenge_method=S256&resource=$(encoded "$resource")"
    query="$query&scope=$(printf %s "$1" | sed 's/ /%20/g')"
    rm -f "$cookies"
    where=$(curl -s -m 20 -L -b "$cookies" -c "$cookies" -o "$page" -w '%{url_effective}' "$authorize?$query")
    must_ask
    next=$(submit "name=$name")
    [ -n "$next" ] || must_ask
    where=$(curl -s -m 20 -L -b "$cookies" -c "$cookies" -o "$page" -w '%{url_effective}' "$next")
    must_ask
    submit decision=allow >"$answer"
    expect "state=$state"
    expect "iss=$(encoded "$issuer")"
    code=$(sed 's/.*[?&]code=\([^&]*\).*/\1/' "$answer")
    redeem --data-urlencode "grant_type=authorization_code" --data-urlencode "code=$code" \
        --data-urlencode "code_verifier=$verifier" --data-urlencode "redirect_uri=$callback"
}

redeem() { # redeem CURL OPTION...: a code, or a refresh token, for tokens
    curl -s -m 20 "$token" >"$answer" --data-urlencode "client_id=$client" \
        --data-urlencode "resource=$resource" "$@"
    grep -q access_token "$answer" || { cat "$answer" >&2; exit 1; }
    access=$(value access_token <"$answer")
    refresh=$(value refresh_token <"$answer")
    echo "(tokens, not shown)"
}

step "Authorization with PKCE: sign in as $name at the fake identity provider, and consent"
sign_in mcp

run= # "exec" in what runs in the background: it then is curl itself, which can be ended

post() { # post BODY [CURL OPTION...]: send a message; the answer goes to standard output
    body=$1
    shift
    $run curl -s -N -m 30 -D "$head" "$resource" -H "Authorization: Bearer $access" \
        -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
        -H "MCP-Protocol-Version: $version" -d "$body" "$@"
}

id=0
here=$(dirname "$0")/curl
. "$here/session.sh"
. "$here/questions.sh"
. "$here/older.sh"
. "$here/alone.sh"

step "A tool that requires another scope: the challenge says which, and a client requests all of them again"
alone tools/call describe-server '"name": "describe-server"'
field 'WWW-Authenticate' >"$answer"
expect 'error="insufficient_scope"'
expect 'scope="mcp mcp:admin"'
sign_in 'mcp mcp:admin'
alone tools/call describe-server '"name": "describe-server"'
expect '"packages"'

step "Refreshing a token, which also changes the refresh token"
spent=$refresh
redeem --data-urlencode "grant_type=refresh_token" --data-urlencode "refresh_token=$refresh"
alone tools/call echo '"name": "echo", "arguments": {"message": "refreshed"}'
expect 'Echo: refreshed'
[ "$spent" != "$refresh" ] || { echo "The refresh token did not change." >&2; exit 1; }

step "Revoking a token, which is then rejected immediately"
curl -s -m 20 "$revoke" -o "$answer" -w '%{http_code}\n' --data-urlencode "client_id=$client" \
    --data-urlencode "token=$access"
alone tools/call echo '"name": "echo", "arguments": {"message": "revoked"}'
field 'WWW-Authenticate' >"$answer"
expect 'error="invalid_token"'

printf '\nEvery feature answered as expected.\n'
