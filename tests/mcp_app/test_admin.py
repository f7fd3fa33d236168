"""The admin's page of live sessions."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from mcp_app.admin import digest
from mcp_app.monitoring import sessions as overview
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SessionStore

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty(redis_server: str) -> None:
    """Data left by other tests is ignored."""
    with overview.connected() as client:
        for session_id in overview.all_ids(client):
            client.delete(*keys.of_session(session_id))


@pytest.fixture
def page() -> str:
    return reverse("admin:mcp_app_livesession_changelist")


@pytest.fixture
def sign_in(client: Client) -> Callable[..., Client]:
    """Signs in a staff member with these permissions."""

    def sign_in(*permissions: str) -> Client:
        person = User.objects.create_user("olga", is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(person)
        return client

    return sign_in


@pytest.fixture
def operator(sign_in: Callable[..., Client]) -> Client:
    return sign_in("view_livesession", "delete_livesession")


@pytest.fixture
def make_session() -> Iterator[Callable[..., str]]:
    """Puts sessions into Redis and returns their ids."""
    with overview.connected() as redis:

        def make(user: str, client: str = "editor") -> str:
            record = SessionRecord(
                id=SessionStore.new_id(),
                owner='["client",null,"x"]',
                created_at=time.time() - 75,
                user=user,
                client=client,
            )
            redis.hset(keys.record(record.id), mapping=record.to_fields())  # type: ignore[arg-type]
            redis.expire(keys.record(record.id), 3600)
            redis.set(keys.owner(record.id), record.owner, ex=290)
            return record.id

        yield make


@pytest.fixture
def person() -> str:
    return f"person-{secrets.token_hex(4)}"


def is_live(session_id: str) -> bool:
    with overview.connected() as redis:
        return bool(redis.exists(keys.record(session_id)))


def test_the_page_shows_who_is_connected(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    text = operator.get(page).content.decode()
    row = text[text.index(f"{session_id[:8]}…") :]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row[: row.index("</tr>")])
    assert cells[:3] + cells[5:] == [person, "editor", "2025-11-25", "0", "0", "0"]
    assert "0:01:15" <= cells[3] < "0:01:30"
    assert "0:00:10" <= cells[4] < "0:00:25"


def test_the_page_shows_no_session_id_and_loads_nothing_inline(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    text = operator.get(page).content.decode()
    assert session_id not in text
    assert session_id[8:] not in text
    assert "<script>" not in text
    assert "style=" not in text


@pytest.mark.parametrize(("number", "says"), [(0, "0 sessions"), (1, "1 session"), (2, "2 sessions")])
def test_the_page_uses_the_right_plural(
    operator: Client, page: str, person: str, make_session: Callable[..., str], number: int, says: str
) -> None:
    for _ in range(number):
        make_session(person)
    text = operator.get(page, {"user": person}).content.decode()
    assert re.search(r"(\d+ sessions?)\.", text)[1] == says  # type: ignore[index]


@pytest.mark.parametrize("client_id", ["https://claude.ai/oauth/claude-code-client-metadata", "x" * 40])
def test_a_long_client_id_is_shortened_and_shown_in_full_on_hover(
    operator: Client, page: str, person: str, make_session: Callable[..., str], client_id: str
) -> None:
    make_session(person, client_id)
    text = operator.get(page, {"user": person}).content.decode()
    assert f'title="{client_id}"' in text
    assert f">{client_id[:23]}\u2026<" in text
    assert f">{client_id}<" not in text


def test_names_chosen_by_clients_are_escaped(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    make_session(person, client="<img src=x>")
    text = operator.get(page).content.decode()
    assert "<img" not in text
    assert "&lt;img" in text


def test_the_page_can_be_asked_for_one_user_or_client(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    one, two = make_session(person, "one"), make_session(person, "two")
    text = operator.get(page, {"user": person}).content.decode()
    assert one[:8] in text
    assert two[:8] in text
    text = operator.get(page, {"user": person, "client": "two"}).content.decode()
    assert one[:8] not in text
    assert two[:8] in text
    assert "There are no live sessions." in operator.get(page, {"user": "nobody"}).content.decode()


def test_the_selected_sessions_end_and_the_others_continue(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    chosen, other = make_session(person), make_session(person)
    answer = operator.post(page, {"session": [digest(chosen), "unknown", chosen]}, follow=True)
    assert "Sessions ended: 1." in answer.content.decode()
    assert not is_live(chosen)
    assert is_live(other)


def test_ending_is_noted_in_the_log_of_the_admin(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    operator.post(page, {"session": [digest(session_id)]})
    entry = LogEntry.objects.get()
    assert entry.object_repr == f"{session_id[:8]}, {person} with editor"
    assert entry.user.get_username() == "olga"
    assert session_id not in json.dumps(LogEntry.objects.values_list().get(), default=str)
    assert "editor" in operator.get(reverse("admin:index")).content.decode()


def test_a_session_id_does_not_end_a_session_by_itself(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    operator.post(page, {"session": [session_id]})
    assert is_live(session_id)


def test_ending_needs_its_own_permission(
    sign_in: Callable[..., Client], page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    viewer = sign_in("view_livesession")
    text = viewer.get(page).content.decode()
    assert session_id[:8] in text
    assert digest(session_id) not in text
    assert viewer.post(page, {"session": [digest(session_id)]}).status_code == 403
    assert is_live(session_id)


def test_seeing_needs_a_permission(sign_in: Callable[..., Client], page: str) -> None:
    assert sign_in().get(page).status_code == 403


def test_strangers_are_sent_to_sign_in(client: Client, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 302
    assert reverse("admin:login") in answer["location"]


def test_ending_is_protected_against_forged_requests(
    page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(User.objects.create_superuser("root"))
    assert forged.post(page, {"session": [digest(session_id)]}).status_code == 403
    assert is_live(session_id)


def test_a_list_that_is_too_long_says_so(
    operator: Client,
    page: str,
    person: str,
    make_session: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_app.admin._LISTED", 1)
    make_session(person)
    assert "there are more" not in operator.get(page, {"user": person}).content.decode()
    make_session(person)
    assert "there are more" in operator.get(page, {"user": person}).content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_redis_the_page_says_so(operator: Client, page: str, settings: Any, method: str) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    answer = getattr(operator, method)(page)
    assert answer.status_code == 503
    assert "Redis cannot be reached." in answer.content.decode()


def test_there_is_no_other_page_of_a_session(operator: Client, page: str) -> None:
    assert operator.get(f"{page}add/").status_code == 404
    assert operator.get(f"{page}x/change/").status_code == 404


def test_code_that_queries_all_models_finds_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("dumpdata", "mcp_app.livesession")
    call_command("dumpdata", "--all", "mcp_app.livesession")
    assert json.loads(capsys.readouterr().out.replace("][", "")) == []
