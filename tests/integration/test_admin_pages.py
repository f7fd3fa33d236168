"""Every page of the admin, for every model that is registered: found by its links, as each kind of staff.

What is added to the admin is covered without a line here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, models
from django.test import Client as Http
from django.urls import reverse

from everything_site.demo.models import Note
from oauth_app.models import Client
from tests.oauth_app import flow

HOSTILE = "<script>alert(1)</script>\u202egnp.exe\r\nsecond line" + "x" * 190
ODD = ['"><b>%', "\\'", "\0", "ü\u202e😀", "a" * 5_000, "-1"]
PERMISSIONS = {
    "a viewer": ("view",),
    "an editor": ("view", "add", "change"),
    "a remover": ("view", "delete"),
}
STAFF = ["a superuser", *PERMISSIONS]


@pytest.fixture
def rows(db: None) -> None:
    """At least one row of each model, and names that somebody hostile chose."""
    flow.connect("alice")
    Client.objects.create(client_id="hostile", name=HOSTILE, redirect_uris="https://a.example/cb")
    mallory = User.objects.create_user("mallory", is_active=False)
    Note.objects.create(
        issuer=flow.ISSUER, subject=str(mallory.pk), title="a private title", text="a private text"
    )
    Group.objects.create(name="operators")
    for row in (Client.objects.get(client_id="hostile"), mallory):
        LogEntry.objects.log_actions(mallory.pk, [row], CHANGE, "Changed.")


def sign_in(kind: str) -> Http:
    if kind == "a superuser":
        person = User.objects.create_superuser("olga")
    else:
        person = User.objects.create_user("olga", is_staff=True)
        verbs = "|".join(PERMISSIONS[kind])
        person.user_permissions.set(Permission.objects.filter(codename__regex=rf"^({verbs})_"))
    http = Http()
    http.force_login(person)
    return http


def registered() -> list[Any]:
    return [
        admin.site.get_model_admin(model) for model in apps.get_models() if admin.site.is_registered(model)
    ]


def page_of(model_admin: Any, page: str, *args: Any) -> str:
    opts = model_admin.opts
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)


def pages_of_rows() -> Iterator[tuple[Any, models.Model, str]]:
    """Change, history and delete page of each row of each model with a table."""
    for model_admin in registered():
        for row in model_admin.model._base_manager.all():
            for page in ("change", "history", "delete"):
                yield model_admin, row, page_of(model_admin, page, row.pk)


class Page(HTMLParser):
    """The links of a page, and the fields of its forms as a browser would send them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[dict[str, list[str]]] = []
        self.actions: list[str] = []
        self._area: str | None = None
        self._select: str | None = None
        self.feed(text)

    def _add(self, name: str | None, value: str) -> None:
        if name and self.forms:
            self.forms[-1].setdefault(name, []).append(value)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "form":
            self.forms.append({})
        elif tag == "input":
            kind = found.get("type", "text")
            is_sent = kind not in ("submit", "checkbox", "radio") or "checked" in found
            if is_sent and kind != "submit":
                self._add(found.get("name"), found.get("value", "on" if kind == "checkbox" else ""))
        elif tag == "textarea":
            self._area = found.get("name")
            self._add(self._area, "")
        elif tag == "select":
            self._select = found.get("name")
        elif tag == "option":
            if self._select == "action" and found.get("value"):
                self.actions.append(found["value"])
            if "selected" in found:
                self._add(self._select, found.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._area and self.forms:
            self.forms[-1][self._area][-1] += data.removeprefix("\r\n")


@contextmanager
def writes() -> Iterator[list[str]]:
    """The statements that change the database, except for the session of the browser."""
    found: list[str] = []

    def record(execute: Any, sql: str, *args: Any) -> Any:
        is_write = re.match(r"\s*(INSERT|UPDATE|DELETE)", sql, re.IGNORECASE)
        if is_write and "django_session" not in sql:
            found.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(record):
        yield found


def walk(http: Http, *, lists: bool = False) -> dict[str, Any]:
    """The pages that can be reached by links from the index.

    Args:
        http: Who walks.
        lists: Whether to visit lists in every order and with every filter, too.
    """
    start = reverse("admin:index")
    waiting, seen, found = [start], {start}, {}
    while waiting:
        url = waiting.pop()
        found[url] = page = http.get(url)
        if page.status_code != 200 or "?" in url or "html" not in page["Content-Type"]:
            continue
        for link in Page(page.content.decode()).links:
            target = urljoin(url, link).partition("#")[0]
            if target.startswith(start) and target not in seen and (lists or "?" not in target):
                seen.add(target)
                waiting.append(target)
    return found


@pytest.mark.slow
def test_every_link_leads_to_a_page_no_get_changes_anything_and_names_are_shown_as_text(rows: None) -> None:
    root = sign_in("a superuser")
    with writes() as written:
        pages = walk(root, lists=True)
    assert written == []
    assert {url: page.status_code for url, page in pages.items() if page.status_code not in (200, 302)} == {}
    tables = [url for model_admin, _, url in pages_of_rows() if model_admin.opts.model_name != "idtoken"]
    assert len(tables) > 20
    assert {url for url in tables if url.endswith("/change/")} <= pages.keys()
    assert any("created__day" in url for url in pages)
    assert any("is_enabled__exact" in url for url in pages)
    shown = 0
    for url, page in pages.items():
        text = re.sub(r'value="[^"]*"', "", page.content.decode())  # the field in which it can be changed
        assert "<script>alert" not in text, url
        assert "\u202e" not in text, url
        assert "a private" not in text, url
        shown += "&lt;script&gt;alert(1)&lt;/script&gt;gnp.exe second line" in text
    assert shown > 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a viewer", "a remover"])
def test_staff_is_shown_only_links_that_it_may_follow_and_is_refused_elsewhere(rows: None, kind: str) -> None:
    http = sign_in(kind)
    with writes() as written:
        pages = walk(http)
        assert {url: page.status_code for url, page in pages.items() if page.status_code != 200} == {}
        for model_admin in registered():
            assert http.get(page_of(model_admin, "changelist")).status_code == 200
            if model_admin.opts.managed:
                assert http.get(page_of(model_admin, "add")).status_code in (200, 403)
        for _, _, url in pages_of_rows():
            assert http.get(url).status_code in (200, 403), url
    assert written == []
    assert len(pages) > 15


@pytest.mark.parametrize("path", ["autocomplete/", "nothing/", "oauth_app/client/999/change/", "r/1/999/"])
def test_what_is_not_there_is_no_failure(rows: None, path: str) -> None:
    answer = sign_in("a superuser").get(f"{reverse('admin:index')}{path}")
    assert answer.status_code in (302, 403, 404)


@pytest.mark.slow
def test_odd_searches_filters_and_pages_are_no_failure(rows: None) -> None:
    root = sign_in("a superuser")
    for model_admin in registered():
        names = ["o", "p", "all", "_to_field", "created__year", "user__id__exact", "unknown"]
        for name, odd in [*(("q", odd) for odd in ODD), *((name, ODD[0]) for name in names), ("p", "99")]:
            answer = root.get(page_of(model_admin, "changelist"), {name: odd})
            assert answer.status_code in (200, 302, 400), (model_admin, name, odd)


def stored() -> dict[str, list[str]]:
    """Everything in the tables of the registered models."""
    return {
        model_admin.opts.label: sorted(map(repr, model_admin.model._base_manager.values_list()))
        for model_admin in registered()
    }


def actions_of(http: Http, model_admin: Any) -> list[str]:
    return Page(http.get(page_of(model_admin, "changelist")).content.decode()).actions


def submit(http: Http, model_admin: Any, action: str, rows: Any, *, confirmed: bool) -> Any:
    body: dict[str, Any] = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    if confirmed:
        body |= {"confirmed": "yes", "post": "yes"}
    return http.post(page_of(model_admin, "changelist"), body)


@pytest.mark.parametrize("kind", STAFF)
def test_every_action_asks_before_it_does_harm(rows: None, kind: str) -> None:
    http = sign_in(kind)
    offered = 0
    for model_admin in registered():
        rows_of_model = model_admin.model._base_manager.all()
        for action in actions_of(http, model_admin):
            before = stored()
            for chosen in (rows_of_model[:0], rows_of_model[:1], rows_of_model):
                answer = submit(http, model_admin, action, chosen, confirmed=False)
                assert answer.status_code in (200, 302), (model_admin, action)
            if action != "enable":  # does no harm
                assert stored() == before, (model_admin, action)
            offered += 1
    assert (offered > 0) == (kind != "a viewer")


@pytest.mark.parametrize("number", [1, 100])
def test_every_action_works_once_it_is_confirmed(rows: None, number: int) -> None:
    root = sign_in("a superuser")
    done = 0
    for model_admin in registered():
        others = model_admin.model._base_manager.all()
        if model_admin.model is User:
            others = others.exclude(username="olga")
        for action in sorted(actions_of(root, model_admin), key=lambda name: name.startswith("delete")):
            answer = submit(root, model_admin, action, others[:number], confirmed=True)
            assert answer.status_code == 302, (model_admin, action, answer.content.decode())
            done += 1
    assert done >= 8
    assert number == 1 or not Client.objects.exists()


def test_nobody_can_use_an_action_that_is_not_offered(rows: None) -> None:
    root = sign_in("a superuser")
    actions = {model_admin: actions_of(root, model_admin) for model_admin in registered()}
    User.objects.filter(username="olga").update(username="root")
    viewer = sign_in("a viewer")
    before = stored()
    for model_admin, names in actions.items():
        for action in names:
            submit(viewer, model_admin, action, model_admin.model._base_manager.all(), confirmed=True)
    assert stored() == before


@pytest.mark.parametrize("button", ["_save", "_continue", "_addanother", "_saveasnew"])
def test_a_form_can_be_saved_as_it_is(rows: None, button: str) -> None:
    root = sign_in("a superuser")
    before = {label: len(found) for label, found in stored().items()}
    saved = 0
    for _, _, url in list(pages_of_rows()):
        if not url.endswith("/change/"):
            continue
        page = root.get(url).content.decode()
        if 'name="_save"' not in page:
            continue
        answer = root.post(url, max(Page(page).forms, key=len) | {button: "Save"})
        # "Save as new" is not offered: what is sent nevertheless lacks what a new row needs.
        assert answer.status_code == (200 if button == "_saveasnew" else 302), (url, answer.content.decode())
        saved += 1
    assert saved > 4
    assert {label: len(found) for label, found in stored().items()} == before


def test_a_number_that_no_column_can_hold_filters_nothing(rows: None) -> None:
    http = sign_in("a superuser")
    for name in ("id__in", "id", "id__gt"):
        found = http.get(reverse("admin:oauth_app_client_changelist"), {name: "9" * 20})
        assert found.status_code in (302, 400), name
