"""`python manage.py test_account`: what reviewers of directories ask for."""

from __future__ import annotations

import json
import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import BaseCommand, CommandError
from django.db import transaction

from everything_site.demo.models import Note
from mcp_app.access import Person, person_of
from oauth_app.models import end_access
from oauth_app.signals import audit

_BY = "manage.py test_account"

NOTES = {
    "Groceries": "- milk\n- bread\n- apples",
    "Ideas": "# Ideas\n\nA tool that answers with a picture of what it did.",
    "Minutes of Monday": "Present: Ada, Grace.\n\nWe decided to test every revision.",
}
"""The sample notes: texts by title."""


class Command(BaseCommand):
    help = (
        "Make an account for reviewers, with a password and sample notes, and print what to enter into the "
        "form of a directory. --reset gives it a new password and the same notes again, and ends the access "
        "of its apps; --delete removes it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", default="reviewer", help="the name to sign in with (reviewer)")
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--reset", action="store_true", help="also if there is such an account")
        way.add_argument("--delete", action="store_true", help="delete the account and its notes instead")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            if options["delete"]:
                self._delete(options["name"])
            else:
                self._make(options["name"], is_reset=options["reset"], as_json=options["json"])

    def _make(self, name: str, *, is_reset: bool, as_json: bool) -> None:
        users = get_user_model()
        user = users.objects.filter(**{users.USERNAME_FIELD: name}).first()
        if user is not None and not is_reset:
            raise CommandError(f"There is an account {name}. --reset gives it a new password and new notes.")
        if user is None:
            user = users(**{users.USERNAME_FIELD: name})
            field: Any = users._meta.get_field(users.USERNAME_FIELD)
            try:
                field.clean(name, user)
            except ValidationError as error:
                raise CommandError(f"{name!r} is no name of an account: {' '.join(error.messages)}") from None
        _refuse_operators(user)
        password = secrets.token_urlsafe(16)
        user.set_password(password)
        user.save()
        if is_reset:
            end_access(user=user)
        person = _person(user)
        Note.objects.of(person.issuer, person.subject).delete()
        for title, text in NOTES.items():
            Note.objects.create(issuer=person.issuer, subject=person.subject, title=title, text=text)
        audit(f"test account {'reset' if is_reset else 'made'}", user=user, by=_BY)
        found = {"url": settings.MCP_RESOURCE_URL, "name": name, "password": password, "notes": [*NOTES]}
        if as_json:
            self.stdout.write(json.dumps(found, indent=2))
            return
        for label, value in found.items():
            self.stdout.write(f"{label:<10}{', '.join(value) if isinstance(value, list) else value}")
        if getattr(settings, "OAUTH_SIGN_IN", "").startswith("fakeupstream."):
            self.stderr.write(
                "The fake identity provider refuses accounts with a password, such as this one: set "
                "OAUTH_SIGN_IN to the sign-in of your users, or the reviewer cannot sign in."
            )

    def _delete(self, name: str) -> None:
        users = get_user_model()
        user = users.objects.filter(**{users.USERNAME_FIELD: name}).first()
        if user is None:
            raise CommandError(f"There is no account {name}.")
        _refuse_operators(user)
        person = _person(user)
        Note.objects.of(person.issuer, person.subject).delete()
        audit("test account deleted", user=user, by=_BY)
        user.delete()
        self.stdout.write(f"{name} is deleted, with its notes and the access of its apps.")


def _refuse_operators(user: Any) -> None:
    if user.is_staff or user.is_superuser:
        raise CommandError(
            f"{user.get_username()} is an operator of this site, and no account for reviewers."
        )


def _person(user: Any) -> Person:
    """Who the user is to MCP clients.

    Raises:
        CommandError: That is decided elsewhere.
    """
    try:
        person = person_of(user)
    except ImproperlyConfigured as error:
        raise CommandError(
            "The accounts are at the authorization server, so make one there, and its notes with the tool "
            f"create-note. ({error})"
        ) from error
    if person is None:
        raise CommandError(
            f"{user.get_username()} is nobody to MCP clients: MCP_USER_TO_PERSON returns None."
        )
    return person
