"""The admin's page of live sessions."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
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

        def make(user: str, client: str = "editor", client_name: str = "") -> str:
            record = SessionRecord(
                id=SessionStore.new_id(),
                owner='["client",null,"x"]',
                created_at=time.time() - 75,
                user=user,
                client=client,
                client_name=client_name,
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
    texts = [re.sub(r"<[^>]*>", "", cell) for cell in cells]
    assert texts[:4] + texts[5:] == [person, "editor", "2025-11-25", "1 min", "0", "0", "0"]
    assert re.fullmatch(r"[12]\d s", texts[4])


def test_the_page_shows_no_session_id_and_loads_nothing_inline(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    text = operator.get(page).content.decode()
    assert session_id not in text
    assert session_id[8:] not in text
    assert "<script>" not in text
    assert "style=" not in text


def test_the_style_of_the_page_is_in_the_app(operator: Client, page: str) -> None:
    [name] = re.findall(r'href="/static/(mcp_app/[^"]+)"', operator.get(page).content.decode())
    assert finders.find(name)


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
    make_session(person, client_id, "The Editor")
    text = operator.get(page, {"user": person}).content.decode()
    assert ">The Editor</bdi>" in text
    assert f'title="{client_id}"' in text
    assert f"<small>{client_id[:23]}\u2026<" in text
    assert f">{client_id}<" not in text


@pytest.mark.skipif(not apps.is_installed("oauth_app"), reason="clients are of an app that is not installed")
@pytest.mark.parametrize("may_view_clients", [True, False])
def test_the_client_of_a_session_is_a_link_for_those_who_may_follow_it(
    sign_in: Callable[..., Client],
    page: str,
    person: str,
    make_session: Callable[..., str],
    may_view_clients: bool,
) -> None:
    client_id = "https://claude.ai/oauth/claude-code-client-metadata"
    make_session(person, client_id, "The Editor")
    staff = sign_in("view_livesession", *["view_client"] * may_view_clients)
    link = f"{reverse('admin:oauth_app_client_changelist')}?q={quote(client_id, safe='')}"
    assert (f'href="{link}"' in staff.get(page, {"user": person}).content.decode()) == may_view_clients


@pytest.mark.parametrize("step", ["list", "question"])
@pytest.mark.parametrize("where", ["client", "client_name", "user"])
def test_a_hostile_name_is_shown_as_text_on_one_line_and_shortened(
    operator: Client, page: str, make_session: Callable[..., str], where: str, step: str
) -> None:
    name = "<img src=x> \u202egnp.exe\r\n" + "x" * 10_000
    session_id = make_session(**{"user": "mallory", where: name})
    body = {"session": [digest(session_id)]}
    text = (operator.get(page) if step == "list" else operator.post(page, body)).content.decode()
    visible = re.sub(r'title="[^"]*"', "", text)
    assert "<img" not in text
    assert "&lt;img src=x&gt; ?gnp.exe??x" in visible
    assert "\u202e" not in visible
    assert "x" * 100 not in visible
    if step == "question":
        operator.post(page, body | {"confirmed": "End"})
        assert not is_live(session_id)
        assert "\u202e" not in LogEntry.objects.get().object_repr


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
    three = make_session(person, "three", "The Editor")
    text = operator.get(page, {"client": "The Editor"}).content.decode()
    assert three[:8] in text
    assert two[:8] not in text
    assert "There are no live sessions." in operator.get(page, {"user": "nobody"}).content.decode()


def test_the_selected_sessions_end_and_the_others_continue(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    chosen, other = make_session(person), make_session(person)
    body = {"session": [digest(chosen), "unknown", chosen]}
    question = operator.post(page, body).content.decode()
    assert "End 1 session?" in question
    assert digest(chosen) in question
    assert is_live(chosen), "nothing happens before the answer"
    answer = operator.post(page, body | {"confirmed": "End"}, follow=True)
    assert "Sessions ended: 1." in answer.content.decode()
    assert not is_live(chosen)
    assert is_live(other)


@pytest.mark.parametrize(
    ("selected", "says"), [([], "Select the sessions to end"), (["gone"], "have already ended")]
)
def test_ending_no_session_says_why(operator: Client, page: str, selected: list[str], says: str) -> None:
    for body in ({"session": selected}, {"session": selected, "confirmed": "End"}):
        assert says in operator.post(page, body, follow=True).content.decode()


def test_ending_is_noted_in_the_log_of_the_admin(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    operator.post(page, {"session": [digest(session_id)], "confirmed": "End"})
    entry = LogEntry.objects.get()
    assert entry.object_repr == f"{session_id[:8]}, {person} with editor"
    assert entry.user.get_username() == "olga"
    assert session_id not in json.dumps(LogEntry.objects.values_list().get(), default=str)
    assert "editor" in operator.get(reverse("admin:index")).content.decode()


def test_a_session_id_does_not_end_a_session_by_itself(
    operator: Client, page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    operator.post(page, {"session": [session_id], "confirmed": "End"})
    assert is_live(session_id)


def test_ending_needs_its_own_permission(
    sign_in: Callable[..., Client], page: str, person: str, make_session: Callable[..., str]
) -> None:
    session_id = make_session(person)
    viewer = sign_in("view_livesession")
    text = viewer.get(page).content.decode()
    assert session_id[:8] in text
    assert digest(session_id) not in text
    body = {"session": [digest(session_id)], "confirmed": "End"}
    assert viewer.post(page, body).status_code == 403
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
    body = {"session": [digest(session_id)], "confirmed": "End"}
    assert forged.post(page, body).status_code == 403
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
    assert "Redis cannot be reached" in answer.content.decode()
    assert "no live sessions" not in answer.content.decode()


def test_there_is_no_other_page_of_a_session(operator: Client, page: str) -> None:
    assert operator.get(f"{page}add/").status_code == 404
    assert operator.get(f"{page}x/change/").status_code == 404


def test_code_that_queries_all_models_finds_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("dumpdata", "mcp_app.livesession")
    call_command("dumpdata", "--all", "mcp_app.livesession")
    assert json.loads(re.sub(r"\]\s*\[", "", capsys.readouterr().out)) == []
