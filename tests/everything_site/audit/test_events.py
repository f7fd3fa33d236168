"""The audit of sign-ins, consents, tokens, and of what operators do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin import helpers
from django.contrib.auth import get_user_model
from django.core import management
from django.core.management import call_command
from django.test import Client as Http
from django.utils import timezone

from everything_site import command_line
from everything_site.audit.events import connect as connect_audit
from everything_site.logs import request_id
from mcp_app import control
from mcp_app.sessions.store import SessionStore
from oauth_app.models import Client, RefreshToken, end_access
from tests.oauth_app.flow import (
    authorize_url,
    connect,
    exchange,
    form_action,
    refresh,
    register,
    sign_in,
)
from tests.support.audit_lines import Lines, audit_in

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def lines(tmp_path: Path) -> Iterator[Lines]:
    with audit_in(tmp_path / "audit.log") as written:
        yield written


@pytest.fixture
def operator() -> Http:
    http = Http()
    http.force_login(get_user_model().objects.create_superuser("root", password=PASSWORD))
    return http


def events(lines: Lines, **wanted: Any) -> list[str]:
    return [line["message"] for line in lines.all(**wanted)]


def test_from_sign_in_to_token_each_step_leaves_a_line_with_who_and_which_client(lines: Lines) -> None:
    connected = connect()
    assert events(lines) == ["client registered", "signed in", "consent granted", "tokens issued"]
    for event in ("consent granted", "tokens issued"):
        line = lines.one(message=event)
        assert (line["username"], line["client"], line["scope"]) == ("alice", connected.client_id, "mcp")
    for secret in (connected.access, connected.refresh, connected.code):
        assert secret not in lines.text


def test_a_consent_that_is_denied_leaves_a_line(lines: Lines) -> None:
    http = Http()
    page = sign_in(http, authorize_url(register(http).json()["client_id"]))
    http.post(form_action(page), {"decision": "deny"})
    assert events(lines)[2:] == ["consent denied"]


def test_an_authorization_request_that_is_refused_leaves_a_line_with_the_reason(lines: Lines) -> None:
    http = Http()
    client_id = register(http).json()["client_id"]
    sign_in(http, authorize_url(client_id))
    http.get(authorize_url(client_id, code_challenge_method="plain"))
    line = lines.one(message="authorization refused")
    assert (line["username"], line["client"], line["error"]) == ("alice", client_id, "invalid_request")


def test_a_refresh_and_the_reuse_of_a_token_leave_lines(lines: Lines) -> None:
    connected = connect()
    assert refresh(connected.http, connected.client_id, connected.refresh).status_code == 200
    RefreshToken.objects.exclude(superseded=None).update(superseded=timezone.now() - timedelta(days=1))
    assert refresh(connected.http, connected.client_id, connected.refresh).status_code == 400
    assert events(lines)[4:] == [
        "tokens refreshed",
        "access ended",
        "refresh token reused",
        "tokens refused",
    ]
    assert lines.one(message="refresh token reused")["username"] == "alice"
    assert lines.one(message="tokens refused")["error"] == "invalid_grant"
    assert connected.refresh not in lines.text


def test_the_reuse_of_a_code_leaves_a_line(lines: Lines) -> None:
    connected = connect()
    exchange(connected.http, connected.client_id, connected.code)
    assert lines.one(message="authorization code reused")["client"] == connected.client_id
    assert connected.code not in lines.text


def test_a_client_that_fails_to_authenticate_leaves_a_line(lines: Lines) -> None:
    http = Http()
    client = register(http, token_endpoint_auth_method="client_secret_post").json()
    exchange(http, client["client_id"], "a-code", client_secret="wrong-secret")
    assert lines.one(message="client authentication failed")["client"] == client["client_id"]
    assert lines.one(message="tokens refused")["error"] == "invalid_client"
    assert "wrong-secret" not in lines.text
    assert "a-code" not in lines.text


def test_the_line_of_refused_tokens_names_a_client_that_authenticates_by_http_basic(lines: Lines) -> None:
    http = Http()
    client = register(http, token_endpoint_auth_method="client_secret_basic").json()
    credentials = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    body = {"grant_type": "refresh_token", "refresh_token": "unknown"}
    http.post("/token", body, headers={"authorization": f"Basic {credentials}"})
    assert lines.one(message="tokens refused")["client"] == client["client_id"]


@pytest.mark.parametrize("by", ["user", "client"])
def test_withdrawal_leaves_a_line_with_who_did_it_and_one_for_the_access_that_ended(
    lines: Lines, by: str
) -> None:
    connected = connect()
    if by == "user":
        pk = Client.objects.get(client_id=connected.client_id).pk
        connected.http.post("/connections", {"client": str(pk)})
    else:
        connected.http.post("/revoke", {"client_id": connected.client_id, "token": connected.refresh})
    line = lines.one(message="access revoked")
    assert (line["username"], line["client"], line["by"]) == ("alice", connected.client_id, by)
    ended = lines.one(message="access ended")
    assert (ended["username"], ended["user"], ended["client"]) == (
        "alice",
        line["user"],
        connected.client_id,
    )
    assert "by" not in ended


def test_access_that_a_command_ends_leaves_a_line_with_the_command(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = connect()
    monkeypatch.setattr(management, "execute_from_command_line", lambda words: end_access())
    command_line.execute(["manage.py", "shell"])
    line = lines.one(message="access ended")
    assert (line["username"], line["client"]) == ("alice", connected.client_id)
    assert (line["by"], bool(line["os_user"])) == ("manage.py shell", True)


def test_access_that_ends_with_its_user_leaves_a_line_with_the_name(lines: Lines) -> None:
    connect()
    get_user_model().objects.get(username="alice").delete()
    assert lines.one(message="access ended")["username"] == "alice"


def test_what_a_server_that_a_command_started_does_for_a_request_is_not_by_the_command(lines: Lines) -> None:
    connected = connect()
    current = request_id.set("of-the-proxy")
    try:
        with command_line.running("runserver"):
            connected.http.post("/revoke", {"client_id": connected.client_id, "token": connected.refresh})
    finally:
        request_id.reset(current)
    assert "by" not in lines.one(message="access ended")


@pytest.mark.parametrize("action", ["disable", "enable", "revoke"])
def test_what_operators_do_to_a_client_leaves_a_line(lines: Lines, operator: Http, action: str) -> None:
    connected = connect()
    client = Client.objects.get(client_id=connected.client_id)
    if action == "enable":
        client.disable()
    chosen = {"action": action, helpers.ACTION_CHECKBOX_NAME: [client.pk], "confirmed": "1"}
    operator.post("/admin/oauth_app/client/", chosen)
    line = lines.one(message="admin action")
    note = {"disable": "Disabled.", "enable": "Enabled.", "revoke": "Access revoked."}[action]
    assert (line["by"], line["action"], line["kind"], line["object"], line["note"]) == (
        "root",
        "changed",
        "client",
        str(client.pk),
        note,
    )
    assert lines.one(message="access ended")["client"] == connected.client_id


def test_each_user_and_client_that_operators_delete_leaves_a_line(lines: Lines, operator: Http) -> None:
    users = [get_user_model().objects.create_user(name) for name in ("bob", "carol")]
    chosen = {
        "action": "delete_selected",
        helpers.ACTION_CHECKBOX_NAME: [user.pk for user in users],
        "post": "yes",
    }
    assert operator.post("/admin/auth/user/", chosen).status_code == 302
    deleted = lines.all(message="admin action", action="deleted", by="root")
    assert sorted(line["name"] for line in deleted) == ["bob", "carol"]


def test_a_session_that_an_operator_ends_leaves_one_line_wherever_it_was_ended(lines: Lines) -> None:
    session_id = SessionStore.new_id()
    control.end_session(session_id, "root")
    control.end_session(session_id, "manage.py sessions")
    in_admin, by_command = lines.all(message="session ended by an operator")
    assert (in_admin["by"], in_admin["session"]) == ("root", session_id[:8])
    assert (by_command["by"], bool(by_command["os_user"])) == ("manage.py sessions", True)


def test_a_command_that_deletes_leaves_a_line(lines: Lines) -> None:
    call_command("prune", verbosity=0)
    assert lines.one(message="expired rows deleted")["by"] == "manage.py prune"


def test_sign_ins_with_a_password_leave_lines_without_it(lines: Lines, settings: Any) -> None:
    get_user_model().objects.create_superuser("root", password=PASSWORD)
    http = Http()
    for password in ("wrong-password", PASSWORD):
        http.post("/admin/login/", {"username": "root", "password": password})
    http.post("/admin/logout/")
    told = [(line["message"], line["username"], line["address"]) for line in lines.all()]
    assert told == [(event, "root", "127.0.0.1") for event in ("sign-in failed", "signed in", "signed out")]
    assert PASSWORD not in lines.text
    assert "wrong-password" not in lines.text


def test_a_sign_in_that_the_identity_provider_refuses_leaves_a_line(lines: Lines) -> None:
    Http().get("/fakeupstreamauth/callback?code=a-code&state=a-state")
    line = lines.one(message="sign-in failed")
    assert line["reason"] == "unknown state, or code unknown or used"
    assert "a-code" not in lines.text


def test_names_that_clients_chose_forge_no_line(lines: Lines) -> None:
    connect_audit()  # once more, as by a second import: it is connected once
    register(Http(), client_name='x\n{"message":"signed in"}\u2028')
    assert events(lines) == ["client registered"]


def test_nothing_is_told_of_what_was_rolled_back(lines: Lines) -> None:
    connected = connect()
    connected.http.raise_request_exception = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client.objects, "filter", _fail)
        assert refresh(connected.http, connected.client_id, connected.refresh).status_code == 500
    assert "tokens refreshed" not in events(lines)


def _fail(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("no more room")
