"""`manage.py test_account`: an account for reviewers, with notes that they find."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command
from django.test import Client as Http

from everything_site.demo.models import Note
from everything_site.management.commands.test_account import NOTES
from mcp_app.access import person_of
from oauth_app.models import AccessToken
from tests.oauth_app import flow
from tests.support.audit_lines import audit_in

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    printed = StringIO()
    call_command("test_account", *words, stdout=printed, stderr=StringIO())
    return printed.getvalue()


def titles(name: str) -> list[str]:
    person = person_of(get_user_model().objects.get(username=name))
    assert person is not None
    return [note.title for note in Note.objects.of(person.issuer, person.subject)]


def test_a_reviewer_signs_in_with_what_is_printed_and_has_notes() -> None:
    found = json.loads(run("--json"))
    assert found["url"].endswith("/mcp")
    assert authenticate(username="reviewer", password=found["password"]) is not None
    assert titles("reviewer") == found["notes"] == [*NOTES]


def test_an_account_that_exists_is_changed_only_if_that_is_asked_for() -> None:
    first = json.loads(run("eve", "--json"))
    with pytest.raises(CommandError, match="There is an account eve"):
        run("eve")
    assert authenticate(username="eve", password=first["password"]) is not None
    Note.objects.all().delete()
    second = json.loads(run("eve", "--reset", "--json"))
    assert authenticate(username="eve", password=first["password"]) is None
    assert authenticate(username="eve", password=second["password"]) is not None
    assert titles("eve") == [*NOTES]


def test_an_account_that_is_reset_loses_the_access_that_earlier_reviewers_gave() -> None:
    alice, bob = flow.connect("alice"), flow.connect("bob", http=Http())
    run("alice", "--reset")
    assert {token.user.username for token in AccessToken.objects.all()} == {"bob"}
    assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 400
    assert flow.refresh(bob.http, bob.client_id, bob.refresh).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_each_use_leaves_a_line_in_the_audit(tmp_path: Path) -> None:
    with audit_in(tmp_path / "audit.log") as lines:
        for words in (["eve"], ["eve", "--reset"], ["eve", "--delete"]):
            run(*words)
    found = lines.all(username="eve", by="manage.py test_account")
    assert [line["message"] for line in found] == [
        "test account made",
        "test account reset",
        "test account deleted",
    ]
    assert all(line["user"] and line["os_user"] for line in found)


def test_it_is_deleted_with_its_notes_and_nobody_elses() -> None:
    run("eve")
    run("mallory")
    assert "eve is deleted" in run("eve", "--delete")
    assert not get_user_model().objects.filter(username="eve").exists()
    assert Note.objects.count() == len(NOTES)
    with pytest.raises(CommandError, match="There is no account eve"):
        run("eve", "--delete")


@pytest.mark.parametrize("way", ["--reset", "--delete"])
def test_an_operator_is_no_account_for_reviewers(way: str) -> None:
    get_user_model().objects.create_superuser("olga", password="as it was")
    with pytest.raises(CommandError, match="olga is an operator"):
        run("olga", way)
    assert authenticate(username="olga", password="as it was") is not None


def test_it_says_that_the_fake_provider_refuses_the_account(settings: Any) -> None:
    said = StringIO()
    call_command("test_account", stdout=StringIO(), stderr=said)
    assert "OAUTH_SIGN_IN" in said.getvalue()
    settings.OAUTH_SIGN_IN = "oauth_app.sign_in.begin"
    said = StringIO()
    call_command("test_account", "--reset", stdout=StringIO(), stderr=said)
    assert said.getvalue() == ""


def test_where_accounts_are_elsewhere_it_says_so_and_leaves_nothing(settings: Any) -> None:
    settings.MCP_TOKEN_VERIFIER = "mcp_app.auth.jwt.JWTTokenVerifier"
    with pytest.raises(CommandError, match="at the authorization server"):
        run("eve")
    assert not get_user_model().objects.filter(username="eve").exists()


@pytest.mark.parametrize("name", ["", "two words", "x" * 151, "nul\0"])
def test_an_account_has_a_name_that_users_may_have(name: str) -> None:
    with pytest.raises(CommandError):
        run(name)
    assert not get_user_model().objects.exists()
