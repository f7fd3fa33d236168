"""The whole doctor: with servers that are broken in one place, and with our own in a real process."""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import suppress
from io import StringIO
from unittest.mock import Mock
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from django.core.management import CommandError, call_command

from mcp_app.doctor import reading
from mcp_app.doctor.findings import Level
from mcp_app.doctor.sign_in import in_a_browser
from mcp_app.management.commands.doctor import _call, examine
from tests.support.client import sign_in
from tests.support.processes import ServerProcess, free_port, installation

MCP = "https://mcp.example/mcp"
ISSUER = "https://auth.example"


class Fake:
    """An MCP server with its authorization server, as a dictionary in which a test breaks something."""

    def __init__(self):
        metadata = f"{ISSUER}/.well-known/oauth-authorization-server"
        place = "https://mcp.example/.well-known/oauth-protected-resource"
        resource = {"resource": MCP, "authorization_servers": [ISSUER], "scopes_supported": ["mcp"]}
        self.challenge = f'Bearer resource_metadata="{place}/mcp", scope="mcp"'
        self.seen = []
        self.methods = {"server/discover", "initialize", "notifications/initialized", "tools/list"}
        self.needs_token = True
        self.documents = {
            f"{place}/mcp": resource,
            place: resource,
            metadata: {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "registration_endpoint": f"{ISSUER}/register",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": True,
            },
        }
        self.follows_any_redirect = False
        self.answers_with = {}
        self.called = {}

    def __call__(self, request):
        url = str(request.url.copy_with(query=None))
        self.seen.append((request.method, url))
        query = parse_qs(request.url.query.decode())
        if url in self.documents:
            document = self.documents[url]
            return httpx2.Response(404) if document is None else httpx2.Response(200, json=document)
        match (request.method, url):
            case ("POST", "https://mcp.example/mcp"):
                return self.endpoint(request)
            case ("POST", "https://auth.example/register"):
                client = {"client_id": "c", "registration_access_token": "r"}
                uris = json.loads(request.content)["redirect_uris"]
                client |= {"registration_client_uri": f"{ISSUER}/register/c", "redirect_uris": uris}
                return httpx2.Response(201, json=client, headers={"Cache-Control": "no-store"})
            case ("GET", "https://auth.example/authorize"):
                [uri] = query["redirect_uri"]
                if not uri.startswith("http://127.0.0.1"):
                    known = self.follows_any_redirect
                    return httpx2.Response(302, headers={"Location": uri}) if known else httpx2.Response(400)
                answer = {"code": "the-code", "state": query["state"][0], "iss": ISSUER} | self.answers_with
                back = f"{uri}?{urlencode(answer)}"
                return httpx2.Response(302, headers={"Location": back})
            case ("POST", "https://auth.example/token"):
                token = {
                    "access_token": "good",
                    "token_type": "Bearer",
                    "expires_in": 1,
                    "refresh_token": "r",
                }
                return httpx2.Response(200, json=token, headers={"Cache-Control": "no-store"})
        return httpx2.Response(404)

    def endpoint(self, request):
        authorization = request.headers.get("authorization")
        if self.needs_token and authorization != "Bearer good":
            error = ', error="invalid_token"' if authorization else ""
            return httpx2.Response(401, headers={"WWW-Authenticate": self.challenge + error})
        message = json.loads(request.content)
        method = message["method"]
        if method not in self.methods:
            return httpx2.Response(400, json={"jsonrpc": "2.0", "id": 1, "error": {"code": -32601}})
        if method == "server/discover":
            result = {"supportedVersions": ["2026-07-28"], "capabilities": {}}
        elif method == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}
        elif method == "tools/call":
            assert message["params"]["name"] == "price"
            result = self.called
        else:
            result = {"tools": []}
        answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": result}
        return httpx2.Response(200, json=answer, headers={"Mcp-Session-Id": "s"})


@pytest.fixture
def fake():
    return Fake()


async def walk(fake, **options):
    options = {"person": "alice"} | options
    findings = await examine(url=MCP, say=print, transport=httpx2.MockTransport(fake), **options)
    return [f"{finding.level}: {finding.step}" for finding in findings], findings


async def test_a_good_server_passes_every_step_and_is_left_unchanged(fake):
    steps, _ = await walk(fake)
    assert steps == [
        "ok: challenge",
        "ok: resource metadata",
        "ok: resource metadata",
        "ok: endpoint",
        "ok: server metadata",
        "ok: registration",
        "ok: authorization",
        "ok: authorization",
        "ok: authorization",
        "ok: token",
        "ok: server/discover",
        "ok: initialize",
        "ok: tools/list",
    ]
    assert ("DELETE", f"{ISSUER}/register/c") in fake.seen
    assert ("DELETE", MCP) in fake.seen


async def test_without_a_user_the_doctor_stops_at_the_sign_in(fake):
    steps, _ = await walk(fake, person=None)
    assert steps[-3:] == ["skipped: token", "skipped: initialize", "skipped: tools/list"]
    assert ("DELETE", f"{ISSUER}/register/c") in fake.seen


def test_without_a_user_the_doctor_concludes_no_more_than_it_tried(fake, monkeypatch):
    fake.documents[f"{ISSUER}/.well-known/oauth-authorization-server"][
        "client_id_metadata_document_supported"
    ] = True
    real = reading.client
    monkeypatch.setattr(
        "mcp_app.management.commands.doctor.client",
        lambda url, transport: real(url, httpx2.MockTransport(fake)),
    )
    out = StringIO()
    call_command("doctor", MCP, stdout=out, no_color=True)
    lines = out.getvalue().splitlines()
    assert lines[-1] == "As far as was tried, a client can connect."
    assert any(line.startswith("skipped  client") for line in lines)


LOGIN = """<form method=post action="/login?next=x"><input name=csrf type=hidden value=c>
<input name=email type=email><input name=secret type=password><button>Sign in</button></form>"""


@pytest.fixture
def with_passwords(fake):
    """The same server, with a login page that knows one name and its password."""
    posted = []

    def answer(request):
        path = request.url.path
        if path == "/login" and request.method == "GET":
            return httpx2.Response(200, html=LOGIN)
        if path == "/login":
            posted.append({name: value for name, [value] in parse_qs(request.content.decode()).items()})
            if posted[-1] != {"csrf": "c", "email": "alice", "secret": "right"}:
                return httpx2.Response(200, html=LOGIN)
            [after] = parse_qs(next(url for url in asked))["after"]
            return httpx2.Response(302, headers={"Location": f"{ISSUER}/authorize?{after}&signed_in=1"})
        query = request.url.query.decode()
        if path == "/authorize" and "signed_in" not in query and "127.0.0.1" in query:
            asked.append(urlencode({"after": query}))
            return httpx2.Response(302, headers={"Location": f"{ISSUER}/login"})
        return fake(request)

    asked: list[str] = []
    return answer


async def test_a_user_with_a_password_signs_in_and_the_host_that_gets_it_is_named(with_passwords):
    ask = Mock(return_value="right")
    steps, _ = await walk(with_passwords, ask_password=ask)
    assert steps[-1] == "ok: tools/list"
    ask.assert_called_once_with("auth.example")


async def test_a_wrong_password_is_tried_once_only(with_passwords):
    ask = Mock(return_value="wrong")
    _, findings = await walk(with_passwords, ask_password=ask)
    [said] = [finding.says for finding in findings if "Nobody could sign in" in finding.says]
    assert "the name or the password is wrong" in said
    ask.assert_called_once()


@pytest.mark.parametrize("has_sessions", [True, False])
@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"content": [{"type": "text", "text": "45"}]}, ("ok: tools/call", "45")),
        ({"content": [{"type": "image", "data": ""}]}, ("ok: tools/call", '"image"')),
        ({"isError": True, "content": [{"type": "text", "text": "none"}]}, ("warning: tools/call", "none")),
    ],
)
async def test_a_tool_is_called_and_what_it_returns_is_shown(fake, has_sessions, result, expected):
    fake.methods.add("tools/call")
    fake.called = result
    if not has_sessions:
        fake.methods -= {"initialize", "notifications/initialized"}
    steps, findings = await walk(fake, call={"name": "price", "arguments": {"item": "pear"}})
    assert steps[-1] == expected[0]
    assert expected[1] in findings[-1].says


async def test_the_scopes_of_the_challenge_are_requested_or_the_given_ones(fake):
    asked = []

    def answer(request):
        if request.url.path == "/authorize":
            asked.append(parse_qs(request.url.query.decode())["scope"])
        return fake(request)

    for scope, requested in ((None, "mcp"), ("mcp shop:write", "mcp shop:write")):
        asked.clear()
        await walk(answer, scope=scope)
        assert {one for [one] in asked} == {requested}


async def test_a_call_that_lacks_a_scope_says_how_to_request_it(fake):
    def answer(request):
        if b"tools/call" not in request.content:
            return fake(request)
        challenge = 'Bearer error="insufficient_scope", scope="mcp shop:write"'
        error = {"code": -32600, "message": "This requires the scope shop:write."}
        body = {"jsonrpc": "2.0", "id": 3, "error": error}
        return httpx2.Response(403, json=body, headers={"WWW-Authenticate": challenge})

    steps, findings = await walk(answer, call={"name": "refund", "arguments": {}})
    assert steps[-1] == "fault: tools/call"
    assert findings[-1].says.endswith(
        "requires the scope shop:write. Request them with --scope 'mcp shop:write'."
    )


async def test_a_call_that_is_refused_is_a_fault(fake):
    steps, findings = await walk(fake, call={"name": "price", "arguments": {}})
    assert steps[-1] == "fault: tools/call"
    assert "400" in findings[-1].says


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], {}),
        (["item=pear", "amount=2", "note=a=b"], {"item": "pear", "amount": 2, "note": "a=b"}),
        (['tags=["a"]', "empty="], {"tags": ["a"], "empty": ""}),
    ],
)
def test_the_arguments_of_a_call_are_json_or_text(words, arguments):
    assert _call(["price", *words]) == {"name": "price", "arguments": arguments}
    with pytest.raises(CommandError, match="NAME=VALUE"):
        _call(["price", "pear"])


async def test_a_given_token_needs_no_registration(fake):
    steps, _ = await walk(fake, person=None, token="good")
    assert steps[-3:] == ["ok: server/discover", "ok: initialize", "ok: tools/list"]
    assert ("POST", f"{ISSUER}/register") not in fake.seen


async def test_a_server_of_earlier_revisions_passes_without_discovery(fake):
    fake.methods.remove("server/discover")
    steps, _ = await walk(fake)
    assert steps[-3:] == ["skipped: server/discover", "ok: initialize", "ok: tools/list"]


@pytest.mark.parametrize("needs_token", [True, False])
async def test_a_server_without_sessions_passes_without_one(fake, needs_token):
    fake.methods -= {"initialize", "notifications/initialized"}
    fake.needs_token = needs_token
    steps, findings = await walk(fake)
    assert steps[-3:] == ["ok: server/discover", "warning: initialize", "ok: tools/list"]
    assert "before 2026-07-28" in findings[-2].says
    assert not any(finding.level == "fault" for finding in findings)


async def test_a_given_client_is_neither_registered_nor_unregistered(fake):
    steps, _ = await walk(fake, client_id="theirs")
    assert steps[-1] == "ok: tools/list"
    assert not [url for _, url in fake.seen if "/register" in url]


async def test_one_place_of_the_metadata_is_enough_for_most(fake):
    fake.documents["https://mcp.example/.well-known/oauth-protected-resource"] = None
    steps, _ = await walk(fake)
    assert steps.count("warning: resource metadata") == 1
    assert steps[-1] == "ok: tools/list"


async def test_without_metadata_the_doctor_stops_there(fake):
    for place in [place for place in fake.documents if "protected-resource" in place]:
        fake.documents[place] = None
    steps, _ = await walk(fake)
    assert steps == ["ok: challenge", "fault: resource metadata", "fault: resource metadata"]


async def test_an_issuer_by_another_name_is_a_fault(fake):
    fake.documents[f"{ISSUER}/.well-known/oauth-authorization-server"]["issuer"] = ISSUER + "/"
    steps, _ = await walk(fake)
    assert "fault: server metadata" in steps


async def test_an_open_redirect_is_a_fault(fake):
    fake.follows_any_redirect = True
    _, findings = await walk(fake)
    assert [finding.says for finding in findings if finding.level == Level.FAULT] == [
        "Users are redirected to an address that the client never registered: codes can be stolen."
    ]


@pytest.mark.parametrize("refuses", [True, False])
async def test_an_open_redirect_behind_the_sign_in_is_found_after_signing_in(fake, refuses):
    """As this project's server does: it validates requests only after sign-in."""

    def behind_a_sign_in(request):
        foreign = "not-registered.example" in str(request.url)
        match (request.method, request.url.path):
            case ("GET", "/authorize") if "sid=alice" not in request.headers.get("cookie", ""):
                return httpx2.Response(302, headers={"Location": "/login?" + request.url.query.decode()})
            case ("GET", "/login"):
                return httpx2.Response(200, text=f'<form action="{request.url}"><input name="name"></form>')
            case ("POST", "/login"):
                there = "/authorize?" + request.url.query.decode()
                headers = {"Location": there, "Set-Cookie": "sid=alice"}
                return httpx2.Response(302, headers=headers)
            case ("GET", "/authorize") if foreign and not refuses:
                return httpx2.Response(200, text='<form><button name="decision" value="allow">Allow</button>')
        return fake(request)

    steps, findings = await walk(behind_a_sign_in)
    assert steps[-1] == "ok: tools/list"
    faults = [finding.says for finding in findings if finding.level == Level.FAULT]
    assert len(faults) == (0 if refuses else 1)
    assert refuses or "codes can be stolen" in faults[0]
    assert "skipped: authorization" not in steps
    steps, _ = await walk(behind_a_sign_in, person=None)
    assert "skipped: authorization" in steps


INSIDE = ("http://127.0.0.1:9200/_all", "http://localhost:8500/v1", "http://10.0.0.1/reset")


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize(
    "says",
    ["challenge", "issuer", "authorization", "token", "register", "unregister", "form", "onward"],
)
async def test_no_server_can_send_the_doctor_into_its_own_network(fake, says, inside):
    metadata = fake.documents[f"{ISSUER}/.well-known/oauth-authorization-server"]
    resource = fake.documents["https://mcp.example/.well-known/oauth-protected-resource"]
    match says:
        case "challenge":
            fake.challenge = f'Bearer resource_metadata="{inside}", scope="mcp"'
        case "issuer":
            resource["authorization_servers"] = [inside]
        case "authorization" | "token":
            metadata[f"{says}_endpoint"] = inside
        case "register":
            metadata["registration_endpoint"] = inside

    def hostile(request):
        answer = fake(request)
        match (says, request.url.path):
            case ("unregister", "/register"):
                return httpx2.Response(201, json=answer.json() | {"registration_client_uri": inside})
            case ("form", "/authorize"):
                text = f'<form action="{inside}"><input name="name"></form>'
                return httpx2.Response(200, text=text)
            case ("onward", "/authorize"):
                return httpx2.Response(302, headers={"Location": inside})
        return answer

    await walk(hostile)
    assert {url.partition("/")[0] for _, url in fake.seen} == {"https:"}


async def test_a_client_is_unregistered_where_it_was_registered_only(fake):
    def elsewhere(request):
        answer = fake(request)
        if request.url.path == "/register":
            uri = "https://another.example/everything"
            return httpx2.Response(201, json=answer.json() | {"registration_client_uri": uri})
        return answer

    steps, findings = await walk(elsewhere)
    assert steps[-1] == "warning: registration"
    assert "stays registered" in findings[-1].says
    assert not [url for _, url in fake.seen if "another.example" in url]


@pytest.mark.parametrize(
    ("document", "member", "value"),
    [
        ("resource", "authorization_servers", ["http://[bad"]),
        ("resource", "scopes_supported", 5),
        ("server", "registration_endpoint", 5),
        ("server", "authorization_endpoint", 5),
        ("server", "token_endpoint_auth_methods_supported", None),
        ("client", "redirect_uris", 5),
        ("client", "registration_client_uri", f"{ISSUER}/\x01"),
        ("client", "registration_access_token", "\u00e9\n"),
        ("result", "capabilities", "[" * 100_000),
    ],
)
async def test_odd_responses_are_findings_and_do_not_stop_the_doctor(fake, document, member, value):
    def odd(request):
        answer = fake(request)
        path = request.url.path
        place = (
            "resource"
            if "protected-resource" in path
            else "server"
            if "well-known" in path
            else "client"
            if path == "/register"
            else "result"
        )
        if place != document or answer.status_code not in (200, 201):
            return answer
        if document == "result":
            return httpx2.Response(200, text=value, headers={"Content-Type": "application/json"})
        return httpx2.Response(answer.status_code, json=answer.json() | {member: value})

    _, findings = await walk(odd)
    assert findings
    assert not [finding for finding in findings if "cannot be understood" in finding.says]


async def test_an_unforeseen_error_is_a_fault_of_its_step(fake, monkeypatch):
    def stumble(*args):
        raise TypeError("unhashable type")

    monkeypatch.setattr("mcp_app.doctor.access.token", stumble)
    steps, findings = await walk(fake)
    assert steps[-1] == "fault: token"
    assert "TypeError unhashable type" in findings[-1].says
    assert ("DELETE", f"{ISSUER}/register/c") in fake.seen


async def endless(first=b""):
    yield first
    while True:
        yield b": still here\n\n"
        await asyncio.sleep(0.01)


async def test_an_endless_response_is_abandoned(monkeypatch):
    monkeypatch.setattr("mcp_app.doctor.reading.SECONDS", 0.2)
    async with asyncio.timeout(20):
        steps, findings = await walk(lambda request: httpx2.Response(401, content=endless()))
    assert steps == ["fault: connection"]
    assert "does not finish its response" in findings[0].says


async def test_a_stream_that_stays_open_is_read_to_the_response(fake):
    def streaming(request):
        answer = fake(request)
        if request.url.path != "/mcp" or answer.status_code != 200:
            return answer
        head = {"Content-Type": "text/event-stream", "Mcp-Session-Id": "s"}
        return httpx2.Response(200, headers=head, content=endless(b"data: " + answer.content + b"\n\n"))

    fake.methods.remove("notifications/initialized")  # to which there is no response
    async with asyncio.timeout(20):
        steps, _ = await walk(streaming)
    assert steps[-1] == "ok: tools/list"


@pytest.mark.slow
async def test_a_page_without_end_is_read_to_a_limit(fake):
    async def pages():
        while True:
            yield b"<p>" + b" " * 300_000

    def huge(request):
        return httpx2.Response(200, content=pages()) if request.url.path == "/authorize" else fake(request)

    async with asyncio.timeout(20):
        steps, _ = await walk(huge)
    assert steps[-1] == "fault: authorization"


def test_nothing_that_a_server_says_controls_the_terminal(fake, monkeypatch):
    def hostile(request):
        if request.url.path == "/register":
            says = "\x1b[2J\x1b]0;owned\x07\u202e\r\nok       all is well\nA client can connect."
            return httpx2.Response(400, json={"error_description": says})
        return fake(request)

    real = reading.client
    monkeypatch.setattr(
        "mcp_app.management.commands.doctor.client",
        lambda url, transport: real(url, httpx2.MockTransport(hostile)),
    )
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", MCP, stdout=out, no_color=True)
    text = out.getvalue()
    assert not {char for char in text if not char.isprintable()} - {"\n"}
    assert "A client can connect." not in text.splitlines()
    assert r"\x1b[2J" in text


async def test_a_token_that_gives_no_access_is_a_fault(fake, monkeypatch):
    monkeypatch.setattr(
        fake, "endpoint", lambda request: httpx2.Response(401, headers={"WWW-Authenticate": "Bearer"})
    )
    steps, _ = await walk(fake)
    assert steps[-1] == "fault: initialize"


async def test_an_unreachable_server_is_one_fault():
    def fail(request):
        raise httpx2.ConnectError("no route", request=request)

    steps, findings = await walk(fail)
    assert steps == ["fault: connection"]
    assert "no route" in findings[0].says


async def test_a_foreign_sign_in_page_is_reported_as_one(fake):
    def other(request):
        if request.url.path == "/authorize":
            return httpx2.Response(200, text="<form action=/login><input name=email></form>")
        return fake(request)

    steps, findings = await walk(other)
    assert steps[-1] == "fault: authorization"
    assert "neither a name nor a password" in findings[-1].says


async def test_a_user_returns_from_their_browser():
    said: list[str] = []
    async with in_a_browser(said.append) as (redirect_uri, wait), httpx2.AsyncClient() as http:
        await http.get(redirect_uri.replace("/callback", "/favicon.ico"))
        page = await http.get(redirect_uri, params={"code": "c", "state": "s"})
        assert page.status_code == 200
        assert await wait("https://auth.example/authorize?x=1") == {"code": "c", "state": "s"}
    assert "https://auth.example/authorize?x=1" in said[0]


async def test_connections_that_a_browser_opens_in_advance_hold_up_nothing():
    async with asyncio.timeout(30):
        async with in_a_browser(lambda says: None) as (redirect_uri, wait), httpx2.AsyncClient() as http:
            idle, writer = await asyncio.open_connection("127.0.0.1", urlsplit(redirect_uri).port)
            await http.get(redirect_uri, params={"code": "c"})
            assert await wait("https://auth.example/authorize") == {"code": "c"}
        assert await idle.read() == b""
        writer.close()


@pytest.mark.parametrize("line", ["GET //[x HTTP/1.1", "GET", "GET /callback?" + "x" * 100_000 + " HTTP/1.1"])
async def test_what_is_no_callback_is_passed_over(line, caplog):
    async with asyncio.timeout(30):
        async with in_a_browser(lambda says: None) as (redirect_uri, wait), httpx2.AsyncClient() as http:
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(redirect_uri).port)
            writer.write(f"{line}\r\n\r\n".encode())
            with suppress(ConnectionError):  # the rest of what was sent is not read
                await reader.read()
            writer.close()
            await http.get(redirect_uri, params={"code": "c"})
            assert await wait("https://auth.example/authorize") == {"code": "c"}
    assert not caplog.records


@pytest.mark.parametrize("changed", [{"state": "another"}, {"state": ""}, {"iss": "https://evil.example"}])
async def test_no_code_is_redeemed_that_may_be_somebody_elses(fake, changed):
    fake.answers_with = changed
    steps, _ = await walk(fake)
    assert "fault: authorization" in steps
    assert "skipped: token" in steps
    assert ("POST", f"{ISSUER}/token") not in fake.seen


@pytest.mark.parametrize(
    ("by_url", "level"),
    [
        (httpx2.Response(200, text="<form>"), "ok"),
        (httpx2.Response(400, text="<p>It could not be read.</p>"), "fault"),
        (httpx2.Response(302, headers={"Location": "/sign-in"}), "skipped"),
    ],
)
async def test_a_server_that_offers_to_read_the_documents_of_clients_is_asked_to(fake, by_url, level):
    fake.documents[f"{ISSUER}/.well-known/oauth-authorization-server"][
        "client_id_metadata_document_supported"
    ] = True
    answer = fake.__call__

    def answer_by_url(request):
        return by_url if "claude-code-client-metadata" in request.url.query.decode() else answer(request)

    steps, _ = await walk(answer_by_url)
    assert f"{level}: client by URL" in steps
    assert steps[-1] == "ok: tools/list"


@pytest.mark.parametrize("url", ["http://mcp.example/mcp", "mcp.example", "ftp://localhost/mcp"])
def test_an_address_that_is_not_an_https_url_is_refused(url):
    with pytest.raises(CommandError, match="https"):
        call_command("doctor", url)


@pytest.mark.processes
async def test_our_own_server_is_healthy():
    port = free_port()
    # The machine of a test need not reach the internet.
    with installation(f"http://localhost:{port}", CLIENT_ID_METADATA_DOCUMENTS="false") as made:
        server = ServerProcess(made, port)
        server.start()
        try:
            url = f"http://localhost:{port}/mcp"
            answer = json.loads(made.run("doctor", url, "--as", "alice", "--json").stdout)
            wrong = [one for one in answer["findings"] if one["level"] != "ok"]
            assert wrong == []
            assert answer["faults"] == 0
            assert answer["findings"][-1]["step"] == "tools/list"

            token = await sign_in(url)
            assert "A client can connect." in made.run("doctor", url, "--token", token).stdout
            with pytest.raises(subprocess.CalledProcessError) as failed:
                made.run("doctor", url, "--token", "wrong")
            assert failed.value.returncode == 1
            assert "fault" in failed.value.stdout
        finally:
            server.stop()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:4717/mcp", "lacks its scheme: try http://localhost:4717/mcp"),
        ("127.0.0.1:4717/mcp", "lacks its scheme: try http://127.0.0.1:4717/mcp"),
        ("mcp.example.com/mcp", "lacks its scheme: try https://mcp.example.com/mcp"),
        ("[::1", "lacks its scheme"),
        ("", "lacks its scheme"),
        ("http://mcp.example.com/mcp", "must be https, or http on this computer"),
        ("ftp://localhost/mcp", "must be https, or http on this computer"),
        ("http://localhost:4717/sse", "only Streamable HTTP.*: try http://localhost:4717/mcp$"),
        ("https://mcp.example.com/a/sse/?b=c", "only Streamable HTTP.*: try https://mcp.example.com/a/mcp$"),
    ],
)
def test_an_unusable_url_is_refused_with_a_suggestion(url, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("doctor", url)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (
            404,
            {"json": {"jsonrpc": "2.0", "id": None, "error": {"message": "It is at /mcp"}}},
            "It is at /mcp",
        ),
        (
            405,
            {"json": {"error": "invalid_request", "error_description": "POST is not for here"}},
            "not for here",
        ),
        (404, {"text": "<html><p>Nothing &amp; nobody</p>"}, "Nothing & nobody"),
        (404, {"json": {"error": 5}}, "404"),
        (404, {"text": ""}, "404"),
    ],
)
async def test_where_there_is_no_endpoint_its_own_answer_is_shown_and_nothing_else(status, body, says):
    steps, [finding] = await walk(lambda request: httpx2.Response(status, **body))
    assert steps == ["fault: challenge"]
    assert says in finding.says


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (httpx2.Response(403, text="<p>This name is taken.</p>"), "This name is taken."),
        (
            httpx2.Response(
                400, text='<form><p class="errors" id="e">No spaces.</p><input name="name"></form>'
            ),
            "No spaces.",
        ),
        (httpx2.Response(500, text=""), "answers 500."),
    ],
)
async def test_a_refusal_at_the_sign_in_page_is_reported_with_its_reason(fake, page, says):
    def refusing(request):
        if request.url.path == "/authorize" and "not-registered" not in str(request.url):
            return httpx2.Response(200, text='<form action="/login" method="post"><input name="name"></form>')
        return page if request.url.path == "/login" else fake(request)

    _, findings = await walk(refusing, person="root")
    [fault] = [finding.says for finding in findings if finding.level == Level.FAULT]
    assert fault.startswith("Nobody could sign in: root is rejected: ")
    assert fault.endswith(says)
    assert "fake identity provider" not in fault
