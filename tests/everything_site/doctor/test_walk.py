"""The whole walk: to servers that are broken in one place, and to our own in a real process."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import parse_qs

import httpx2
import pytest
from django.core.management import CommandError, call_command

from everything_site.doctor.findings import Level
from everything_site.doctor.sign_in import in_a_browser
from everything_site.management.commands.doctor import examine
from tests.support.client import sign_in
from tests.support.processes import ServerProcess, free_port, installation

MCP = "https://mcp.example/mcp"
ISSUER = "https://auth.example"


class Fake:
    """An MCP server with its authorization server, in a dictionary: change what is to be broken."""

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
                back = f"{uri}?code=the-code&state={query['state'][0]}&iss={ISSUER}"
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


async def test_a_good_server_is_walked_to_the_end_and_left_as_it_was(fake):
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


async def test_without_a_person_the_walk_ends_at_the_sign_in(fake):
    steps, _ = await walk(fake, person=None)
    assert steps[-3:] == ["skipped: token", "skipped: initialize", "skipped: tools/list"]
    assert ("DELETE", f"{ISSUER}/register/c") in fake.seen


async def test_a_given_token_needs_no_registration(fake):
    steps, _ = await walk(fake, person=None, token="good")
    assert steps[-3:] == ["ok: server/discover", "ok: initialize", "ok: tools/list"]
    assert ("POST", f"{ISSUER}/register") not in fake.seen


async def test_a_server_of_earlier_revisions_is_well_without_discovery(fake):
    fake.methods.remove("server/discover")
    steps, _ = await walk(fake)
    assert steps[-3:] == ["skipped: server/discover", "ok: initialize", "ok: tools/list"]


@pytest.mark.parametrize("needs_token", [True, False])
async def test_a_server_without_sessions_is_walked_without_one(fake, needs_token):
    fake.methods -= {"initialize", "notifications/initialized"}
    fake.needs_token = needs_token
    steps, findings = await walk(fake)
    assert steps[-3:] == ["ok: server/discover", "warning: initialize", "ok: tools/list"]
    assert "before 2026-07-28" in findings[-2].says
    assert not any(finding.level == "fault" for finding in findings)


async def test_a_given_client_is_neither_registered_nor_forgotten(fake):
    steps, _ = await walk(fake, client_id="theirs")
    assert steps[-1] == "ok: tools/list"
    assert not [url for _, url in fake.seen if "/register" in url]


async def test_one_place_of_the_metadata_is_enough_for_most(fake):
    fake.documents["https://mcp.example/.well-known/oauth-protected-resource"] = None
    steps, _ = await walk(fake)
    assert steps.count("warning: resource metadata") == 1
    assert steps[-1] == "ok: tools/list"


async def test_without_metadata_the_walk_ends_there(fake):
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
        "People are sent to an address that the client never registered: codes can be stolen."
    ]


async def test_a_token_that_does_not_open_the_door_is_a_fault(fake, monkeypatch):
    monkeypatch.setattr(
        fake, "endpoint", lambda request: httpx2.Response(401, headers={"WWW-Authenticate": "Bearer"})
    )
    steps, _ = await walk(fake)
    assert steps[-1] == "fault: initialize"


async def test_a_server_that_is_not_there_is_one_fault():
    def fail(request):
        raise httpx2.ConnectError("no route", request=request)

    steps, findings = await walk(fail)
    assert steps == ["fault: connection"]
    assert "no route" in findings[0].says


async def test_a_sign_in_page_of_another_make_is_said_to_be_one(fake):
    def other(request):
        if request.url.path == "/authorize":
            return httpx2.Response(200, text="<form action=/login><input name=email></form>")
        return fake(request)

    steps, findings = await walk(other)
    assert steps[-1] == "fault: authorization"
    assert "not that of this project" in findings[-1].says


async def test_a_person_comes_back_from_their_browser():
    said: list[str] = []
    async with in_a_browser(said.append) as (redirect_uri, wait), httpx2.AsyncClient() as http:
        await http.get(redirect_uri.replace("/callback", "/favicon.ico"))
        page = await http.get(redirect_uri, params={"code": "c", "state": "s"})
        assert page.status_code == 200
        assert await wait("https://auth.example/authorize?x=1") == {"code": "c", "state": "s"}
    assert "https://auth.example/authorize?x=1" in said[0]


@pytest.mark.parametrize("url", ["http://mcp.example/mcp", "mcp.example", "ftp://localhost/mcp"])
def test_an_address_that_is_no_https_url_is_refused(url):
    with pytest.raises(CommandError, match="https"):
        call_command("doctor", url)


@pytest.mark.processes
async def test_our_own_server_is_healthy():
    port = free_port()
    with installation(f"http://localhost:{port}") as made:
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
            assert "A client gets in." in made.run("doctor", url, "--token", token).stdout
            with pytest.raises(subprocess.CalledProcessError) as failed:
                made.run("doctor", url, "--token", "wrong")
            assert failed.value.returncode == 1
            assert "fault" in failed.value.stdout
        finally:
            server.stop()
