"""The checks of registration, authorization, token and endpoint, with valid and broken responses."""

import json

import pytest

from mcp_app.doctor import access
from mcp_app.doctor.findings import Level, Reply

CALLBACK = "http://127.0.0.1:33418/callback"
ISSUER = "https://auth.example"
KNOWN = "https://client.example/metadata.json"
CLIENT = {"client_id": "c", "redirect_uris": [CALLBACK], "client_id_issued_at": 1}
TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 60, "refresh_token": "r"}
SESSION = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}


def reply(value=None, status=200, **headers):
    text = value if isinstance(value, str) else json.dumps(value)
    known = {"content-type": "application/json", "cache-control": "no-store"}
    return Reply(
        "https://x.example", status, known | {k.replace("_", "-"): v for k, v in headers.items()}, text
    )


def result(value):
    return {"jsonrpc": "2.0", "id": 1, "result": value}


def stream(value):
    text = f": hello\n\ndata: not json\n\nid: 1\nevent: message\ndata: {json.dumps(value)}\n\n"
    return reply(text, content_type="text/event-stream; charset=utf-8")


@pytest.mark.parametrize(
    "findings",
    [
        access.registration(reply(CLIENT, 201), CALLBACK),
        access.authorization_page(reply("<form>", x_frame_options="DENY")),
        access.authorization_page(reply("<form>", content_security_policy="frame-ancestors 'none'")),
        access.authorization_page(reply(status=302, location="/login?next=/authorize")),
        access.foreign_redirect(reply(status=400), "https://evil.example"),
        access.client_by_url(reply("<form>"), KNOWN, CALLBACK),
        access.client_by_url(reply(status=302, location=f"{CALLBACK}?error=x"), KNOWN, CALLBACK),
        access.authorization_response({"code": "c", "state": "s", "iss": ISSUER}, "s", ISSUER, {}),
        access.token(reply(TOKEN)),
        access.bad_token(reply(status=401, www_authenticate='Bearer error="invalid_token"')),
        access.initialized(reply(result(SESSION))),
        access.initialized(stream(result(SESSION))),
        access.tools(reply(result({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}))),
    ],
)
def test_valid_responses_are_accepted(findings):
    assert [finding.level for finding in findings] == [Level.OK]


@pytest.mark.parametrize(
    ("findings", "level", "words"),
    [
        (
            access.client_by_url(reply("<h1>No</h1><p>It can&#x27;t be read.</p>", 400), KNOWN, CALLBACK),
            Level.FAULT,
            "rejected (400). It can't be read. Such a client",
        ),
        (access.client_by_url(reply({}, 500), KNOWN, CALLBACK), Level.FAULT, f"{KNOWN} is rejected (500)"),
        (
            access.registration(reply({"error": "invalid_redirect_uri"}, 400), CALLBACK),
            Level.FAULT,
            "rejected (400)",
        ),
        (access.registration(reply("<html>", 201), CALLBACK), Level.FAULT, "rejected"),
        (access.registration(reply(CLIENT), CALLBACK), Level.WARNING, "201"),
        (access.registration(reply(CLIENT | {"client_uri": None}, 201), CALLBACK), Level.WARNING, "null"),
        (access.registration(reply(CLIENT | {"client_secret": "s"}, 201), CALLBACK), Level.FAULT, "secret"),
        (
            access.registration(reply(CLIENT | {"redirect_uris": ["x:y"]}, 201), CALLBACK),
            Level.FAULT,
            "redirect",
        ),
        (
            access.registration(reply(CLIENT | {"client_id_issued_at": "1"}, 201), CALLBACK),
            Level.WARNING,
            "whole",
        ),
        (access.registration(reply(CLIENT | {"redirect_uris": 5}, 201), CALLBACK), Level.FAULT, "redirect"),
        (access.registration(reply(CLIENT, 201, cache_control=""), CALLBACK), Level.WARNING, "cached"),
        (access.authorization_page(reply("<form>")), Level.WARNING, "framed"),
        (access.authorization_page(reply(status=400)), Level.FAULT, "400"),
        (
            access.authorization_page(reply(status=302, location=CALLBACK + "?error=x")),
            Level.FAULT,
            "rejected",
        ),
        (
            access.foreign_redirect(
                reply(status=302, location="https://evil.example?code=1"), "https://evil.example"
            ),
            Level.FAULT,
            "stolen",
        ),
        (
            access.foreign_redirect(reply("<form>"), "https://evil.example", asks_consent=True),
            Level.FAULT,
            "stolen",
        ),
        (
            access.authorization_response({"error": "server_error"}, "s", ISSUER, {}),
            Level.FAULT,
            "server_error",
        ),
        (access.authorization_response({"state": "s"}, "s", ISSUER, {}), Level.FAULT, "no code"),
        (access.authorization_response({"code": "c"}, "s", ISSUER, {}), Level.FAULT, "state"),
        (
            access.authorization_response({"code": "c", "state": "s", "iss": "x"}, "s", ISSUER, {}),
            Level.FAULT,
            "iss",
        ),
        (
            access.authorization_response(
                {"code": "c", "state": "s"},
                "s",
                ISSUER,
                {"authorization_response_iss_parameter_supported": True},
            ),
            Level.FAULT,
            "promises iss",
        ),
        (access.token(reply({"error": "invalid_target"}, 400)), Level.FAULT, "invalid_target"),
        (access.token(reply(TOKEN | {"token_type": "mac"})), Level.FAULT, "Bearer"),
        (access.token(reply(TOKEN | {"expires_in": None})), Level.WARNING, "expires_in"),
        (access.token(reply(TOKEN | {"refresh_token": None})), Level.WARNING, "refresh token"),
        (access.token(reply(TOKEN, cache_control="")), Level.WARNING, "cached"),
        (access.bad_token(reply(status=403)), Level.FAULT, "403"),
        (access.bad_token(reply(status=401)), Level.WARNING, "invalid_token"),
        (access.initialized(reply(status=401)), Level.FAULT, "audience"),
        (access.initialized(reply("<html>")), Level.FAULT, "200"),
        (access.initialized(reply(result({"capabilities": {}}))), Level.FAULT, "protocolVersion"),
        (access.tools(reply(status=404)), Level.FAULT, "404"),
        (
            access.tools(reply(result({"tools": [{"name": "x", "inputSchema": {}}]}))),
            Level.FAULT,
            "inputSchema",
        ),
        (access.tools(reply(result({"tools": ["x"]}))), Level.FAULT, "inputSchema"),
    ],
)
def test_broken_responses_are_reported(findings, level, words):
    assert any(finding.level == level and words in finding.says and finding.spec for finding in findings)


def test_a_redirect_to_the_sign_in_proves_nothing_about_foreign_addresses():
    answer = reply(status=302, location="/login")
    assert [one.level for one in access.foreign_redirect(answer, "https://evil.example")] == [Level.SKIPPED]


def test_whether_documents_are_fetched_is_visible_only_after_sign_in():
    [finding] = access.client_by_url(reply(status=302, location="/login?next=/"), KNOWN, CALLBACK)
    assert finding.level == Level.SKIPPED
    assert "--as" in finding.says


def test_what_server_discover_lists_is_not_said_to_be_without_sessions():
    [finding] = access.discovered(reply(result({"supportedVersions": ["2026-07-28", "2025-11-25"]})))
    assert finding.level is Level.OK
    assert finding.says == "Supported revisions: 2026-07-28, 2025-11-25."
