"""While the database is unavailable: 503 with Retry-After, in the format that its reader expects."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import (
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.test import Client, RequestFactory

from everything_site.middleware.database_outage import server_error
from mcp_app.database import is_database_outage
from mcp_app.readiness import try_database
from tests.everything_site.started import COMMANDS, SEPARATE, ask, served
from tests.support.processes import Installation, free_port


class Refused(Exception):
    """What psycopg raises when PostgreSQL refuses a statement."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def refused(error: Exception, sqlstate: str) -> Exception:
    error.__cause__ = Refused(sqlstate)
    return error


OUTAGES = {
    "refused": OperationalError("connection refused"),
    "no such host": OperationalError("failed to resolve host 'db.internal'"),
    "wrong password": OperationalError("password authentication failed"),
    "too many": OperationalError("FATAL: sorry, too many clients already"),
    "too slow": OperationalError("canceling statement due to statement timeout"),
    "locked": OperationalError("database is locked"),
    "cut": InterfaceError("connection already closed"),
    "standby": refused(InternalError("cannot execute INSERT in a read-only transaction"), "25006"),
    "forbidden": refused(ProgrammingError("permission denied for table oauth_app_client"), "42501"),
}
FORM = "application/x-www-form-urlencoded"
PROGRAMS = [
    (
        "post",
        "/token",
        {"data": "grant_type=refresh_token&refresh_token=x&client_id=x", "content_type": FORM},
    ),
    ("post", "/revoke", {"data": "token=x&client_id=x", "content_type": FORM}),
    ("post", "/introspect", {"data": "token=x&client_id=x&client_secret=y", "content_type": FORM}),
    (
        "post",
        "/register",
        {"data": json.dumps({"redirect_uris": ["http://localhost:9/"]}), "content_type": "application/json"},
    ),
    ("get", "/authorize?client_id=x&response_type=code", {"headers": {"accept": "application/json"}}),
]
PEOPLE = ["/authorize?client_id=x&response_type=code", "/admin/", "/connections"]


@pytest.fixture
def visitor(db: None) -> Client:
    """A browser with a session: every page looks it up."""
    client = Client(raise_request_exception=False)
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


@pytest.fixture
def outage(visitor: Client) -> Iterator[None]:
    def fail(*args: Any) -> Any:
        raise OperationalError("connection refused")

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.parametrize("error", [pytest.param(error, id=name) for name, error in OUTAGES.items()])
def test_whatever_keeps_the_database_from_being_used_is_an_outage(error: Exception) -> None:
    assert is_database_outage(error)


@pytest.mark.parametrize(("method", "path", "options"), PROGRAMS)
def test_a_program_gets_json(
    visitor: Client, outage: None, method: str, path: str, options: dict[str, Any]
) -> None:
    response = getattr(visitor, method)(path, **options)
    assert (response.status_code, response["Content-Type"]) == (503, "application/json")
    assert response.json()["error"] == "temporarily_unavailable"
    assert int(response["Retry-After"]) > 0
    assert response["Cache-Control"] == "no-store"
    assert response["Access-Control-Allow-Origin"] == "*", "pages that may call it can read it"


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("path", PEOPLE)
def test_a_browser_is_shown_a_page(
    visitor: Client, outage: None, path: str, settings: Any, debug: bool
) -> None:
    settings.DEBUG = debug
    response = visitor.get(path, headers={"accept": "text/html,*/*"})
    assert response.status_code == 503
    assert "cannot reach its database" in response.content.decode()
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("duplicate"),
        InternalError("a bug"),
        ValueError("a bug"),
        refused(ProgrammingError("syntax error"), "42601"),
    ],
)
def test_our_own_bug_is_not_an_outage(visitor: Client, error: Exception) -> None:
    def fail(*args: Any) -> Any:
        raise error

    with connection.execute_wrapper(fail):
        assert visitor.get("/admin/").status_code == 500


def test_failures_outside_of_a_view_are_answered_in_the_same_way() -> None:
    request = RequestFactory().get("/admin/")
    try:
        raise OperationalError("the session could not be saved")
    except OperationalError:
        assert server_error(request).status_code == 503
    try:
        raise ValueError("a bug")
    except ValueError:
        assert server_error(request).status_code == 500


def test_an_open_connection_is_closed_without_a_query(django_db_setup: None, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        connection.ensure_connection()
    with django_db_blocker.block():
        assert Client().get("/tour/no-such-feature").status_code == 404


@pytest.mark.parametrize("urls", ["integrated", "authorization_server", "resource_server"])
def test_every_url_configuration_uses_that_handler(urls: str) -> None:
    module = import_module(f"everything_site.urls.{urls}")
    assert module.handler500 == "everything_site.middleware.database_outage.server_error"


@pytest.fixture
def role(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A role without rights, as which new connections act."""
    name = f"limited_{secrets.token_hex(4)}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name}")
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    options = {**connection.settings_dict.get("OPTIONS", {}), "options": f"-c role={name}"}
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict, "OPTIONS", options)
        yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {name}")
        cursor.execute(f"DROP ROLE {name}")


def try_it(labels: list[str] | None = None) -> None:
    asyncio.run(try_database(labels))


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="TEST_DATABASE_URL names no PostgreSQL")
@pytest.mark.parametrize("right", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_a_role_that_lacks_a_right_is_not_ready(role: str, right: str) -> None:
    with pytest.raises(OperationalError, match="lacks the right"):
        try_it()
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    try_it()
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE {right} ON oauth_app_client FROM {role}")
    with pytest.raises(OperationalError, match=f"lacks the right to {right} in table .*oauth_app_client"):
        try_it()
    try_it(["mcp_app"])


# --- real processes ----------------------------------------------------------------------------------


def database(kind: str, folder: Path) -> str:
    if kind == "not migrated":
        return f"sqlite:///{folder / 'empty.sqlite3'}"
    if kind == "no such host":
        return "postgres://someone@nobody.invalid/everything"
    return f"postgres://someone@127.0.0.1:{free_port()}/everything"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("daphne", "refused"),
        ("daphne", "no such host"),
        ("daphne", "not migrated"),
        ("daphne of the authorization server", "refused"),
    ],
)
def test_a_process_whose_database_cannot_be_used_is_not_ready(
    made: Installation, command: str, kind: str
) -> None:
    more = {"DATABASE_URL": database(kind, made.folder)} | (SEPARATE if "auth" in command else {})
    with served(made, COMMANDS[command], more) as port:
        status, body = ask(port, path="/readyz")
        assert (status, json.loads(body)) == (503, {"status": "not ready", "reason": "database"})
        form = b"grant_type=refresh_token&refresh_token=x&client_id=x"
        status, body = ask(port, "POST", form, "/token", Content_Type=FORM)
        assert (status, json.loads(body)["error"]) == (503, "temporarily_unavailable")
