"""Getting access, keeping it, and losing it."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from tests.support.browser import Browser
from tests.support.client import Storage, connect
from tests.tour.client import MODERN, Modern
from tests.tour.page import feature, play, prepare
from tests.tour.wire import Wire

CALLBACK = "http://127.0.0.1:33418/callback"


@feature(
    "Sign in",
    "since 2025-03-26",
    "A client knows nothing but the URL of the server. Seven exchanges later it has an access token "
    "that belongs to one user.",
    run="#/start",
    deprecated=("Dynamic client registration",),
)
async def sign_in(wire: Wire, token: str) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    refused = await wire.send(
        "Without a token, the server answers 401 with a challenge. The challenge names the metadata "
        "of the server.",
        "POST",
        "/mcp",
        body=ping,
    )
    await refused.empty()
    resource = await wire.send(
        "The metadata of the protected resource names the authorization server.",
        "GET",
        "/.well-known/oauth-protected-resource/mcp",
    )
    await resource.json()
    server = await wire.send(
        "The metadata of the authorization server lists its endpoints and what it supports.",
        "GET",
        "/.well-known/oauth-authorization-server",
    )
    endpoints = await server.json()
    metadata = {"client_name": "Tour", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    registered = await wire.send(
        "The client registers itself. A client with a client ID metadata document can skip this step.",
        "POST",
        endpoints["registration_endpoint"],
        body=metadata,
    )
    client = await registered.json()
    wire.learn(client["client_id"], "CLIENT-ID")
    wire.learn(str(client["client_id_issued_at"]), "TIME")
    if "registration_access_token" in client:
        wire.learn(client["registration_access_token"], "REGISTRATION-TOKEN")

    verifier = "a-secret-of-the-client-that-it-makes-anew-for-each-sign-in"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": CALLBACK,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": "STATE",
        "scope": "mcp",
        "resource": endpoints["issuer"].rstrip("/") + "/mcp",
    }
    url = f"{endpoints['authorization_endpoint']}?{urlencode(query, quote_via=quote)}"
    sent = await wire.send(
        "The client opens this URL in the user's browser. The server redirects it to the sign-in page.",
        "GET",
        url,
    )
    wire.learn(sent.headers["location"].partition("state=")[2], "SIGN-IN")
    await sent.empty()
    async with Browser("alice") as browser:
        back = urlsplit(await browser.authorize(url, CALLBACK))
    code = parse_qs(back.query)["code"][0]
    wire.learn(code, "CODE")
    wire.note(
        "The user signs in and approves access. The server redirects the browser back to the client "
        "with a code.",
        "GET",
        f"{back.path}?{back.query}",
        back.netloc,
    )
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "client_id": client["client_id"],
        "redirect_uri": CALLBACK,
        "resource": query["resource"],
    }
    answer = await wire.send(
        "The client exchanges the code for tokens. The verifier proves that it is the client that asked.",
        "POST",
        endpoints["token_endpoint"],
        form=form,
    )
    tokens = await answer.json()
    wire.learn(tokens["access_token"], "ACCESS-TOKEN")
    wire.learn(tokens["refresh_token"], "REFRESH-TOKEN")


@feature(
    "Step-up",
    "since 2025-11-25",
    "A tool can need a scope that the token does not have. The client then asks the user for more.",
    run=play("step-up", "tools/describe-server", MODERN),
)
async def step_up(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    params = {"name": "describe-server", "arguments": {}}
    says = (
        "The server refuses the call and names the scope that is missing. The client opens the consent page "
        "again with that scope and repeats the call with the new token."
    )
    refused = await client.begin(says, "tools/call", params, "describe-server")
    await refused.empty()


@feature(
    "Refresh and revocation",
    "since 2025-03-26",
    "Access tokens expire. Refresh tokens get new ones. Revocation ends both.",
    run=prepare("session", MODERN),
)
async def refresh_and_revocation(wire: Wire, token: str) -> None:
    kept = Storage()
    async with connect(f"{wire.base}/mcp", MODERN, storage=kept) as signing_in:
        await signing_in.list_tools()  # the exchanges of the sign-in are those of the page before
    assert kept.tokens
    assert kept.tokens.refresh_token
    assert kept.client
    assert kept.client.client_id
    wire.learn(kept.client.client_id, "CLIENT-ID")
    wire.learn(kept.tokens.access_token, "ACCESS-TOKEN-1")
    wire.learn(kept.tokens.refresh_token, "REFRESH-TOKEN-1")
    form = {
        "grant_type": "refresh_token",
        "refresh_token": kept.tokens.refresh_token,
        "client_id": kept.client.client_id,
        "resource": f"{wire.base}/mcp",
    }
    answer = await wire.send(
        "Before the access token expires, the client exchanges its refresh token for a new pair of tokens.",
        "POST",
        "/token",
        form=form,
    )
    tokens = await answer.json()
    wire.learn(tokens["access_token"], "ACCESS-TOKEN-2")
    wire.learn(tokens["refresh_token"], "REFRESH-TOKEN-2")
    client = Modern(wire, tokens["access_token"])
    await client.call("The new access token grants the same access.", "echo", {"message": "hello"})
    form = {"token": tokens["refresh_token"], "client_id": kept.client.client_id}
    revoked = await wire.send(
        "The user signs out, so the client revokes its tokens.", "POST", "/revoke", form=form
    )
    await revoked.empty()
    params = {"name": "echo", "arguments": {"message": "hello"}}
    refused = await client.begin(
        "From now on, every process refuses these tokens.", "tools/call", params, "echo"
    )
    await refused.empty()
