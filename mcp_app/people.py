"""Persons and users: who of this project's users makes a request, and the reverse.

A person is a subject of an issuer, and a user is a row of this project. They correspond if the tokens are
this project's own, so that a subject is a primary key; the verifier says so (`subjects_are_users`). The
subjects of another issuer never are: its subject "1" is not our user 1. Then `MCP_PERSON_TO_USER` and
`MCP_USER_TO_PERSON` name functions that map them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.module_loading import import_string

from mcp_app.conf import conf
from mcp_app.protocol.personal import Person


def find_user(person: Person) -> Any | None:
    """The active user that a person is; None if there is none, or nobody is signed in.

    It may query the database.

    Raises:
        ImproperlyConfigured: Nothing says which users the subjects of this issuer are.
    """
    if not person.is_signed_in:
        return None
    if conf.person_to_user:
        to_user: Callable[[Person], Any | None] = import_string(conf.person_to_user)
        user = to_user(person)
    else:
        ensure_users(person.issuer)
        user = _by_primary_key(person.subject)
    return user if user is not None and getattr(user, "is_active", True) else None


def ensure_users(issuer: str) -> None:
    """
    Raises:
        ImproperlyConfigured: Nothing says which users the subjects of an issuer are.
    """
    if not conf.person_to_user and not _is_own(issuer):
        raise ImproperlyConfigured(
            f"A subject of {issuer or 'an unnamed issuer'} is no user of this project by itself. Set "
            "MCP_PERSON_TO_USER to the dotted path of a function that takes a Person and returns the user, "
            "or None."
        )


def person_of(user: Any) -> Person | None:
    """The person that a user is to MCP clients; None if `MCP_USER_TO_PERSON` returns None.

    Raises:
        ImproperlyConfigured: Nothing says which subjects of the issuer the users are.
    """
    if conf.user_to_person:
        to_person: Callable[[Any], Person | None] = import_string(conf.user_to_person)
        return to_person(user)
    if not _is_own(conf.issuer):
        raise ImproperlyConfigured(
            "The tokens are those of another server, so a user of this project is no subject of its own. Set "
            "MCP_USER_TO_PERSON to the dotted path of a function that takes a user and returns the Person, "
            "or None."
        )
    return Person(conf.issuer, str(user.pk))


def _is_own(issuer: str) -> bool:
    """Whether the subjects of an issuer are primary keys of this project's users."""
    verifier = import_string(conf.token_verifier)
    return bool(issuer) and issuer == conf.issuer and getattr(verifier, "subjects_are_users", False)


def _by_primary_key(subject: str) -> Any | None:
    # `_default_manager`, as in ModelBackend: the manager of a custom user model may have another name.
    try:
        user = get_user_model()._default_manager.filter(pk=subject).first()
    except (ValueError, ValidationError):
        return None
    return user if user is not None and str(user.pk) == subject else None
