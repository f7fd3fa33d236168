"""Audit lines for events other than MCP requests: sign-ins, consents, tokens, and what operators do."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_save
from django.http import HttpRequest

from everything_site import audit, command_line
from everything_site.logs import request_id
from mcp_app.control import sessions_ended
from mcp_app.models import LiveSession
from oauth_app.http.rate_limits import address_of
from oauth_app.signals import access_withdrawn, audited

_ACTIONS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}

_COMMANDS = "manage.py "
"""The prefix of a command's name, where an audit line names the command as the actor."""


def connect() -> None:
    """Write a line for each of these signals. They are Django's, and those of the apps."""
    uid = "everything_site.audit"
    user_logged_in.connect(_signed_in, dispatch_uid=uid)
    user_logged_out.connect(_signed_out, dispatch_uid=uid)
    user_login_failed.connect(_sign_in_failed, dispatch_uid=uid)
    audited.connect(_of_authorization, dispatch_uid=uid)
    access_withdrawn.connect(_access_ended, dispatch_uid=uid)
    sessions_ended.connect(_sessions_ended, dispatch_uid=uid)
    post_save.connect(_in_the_admin, sender=LogEntry, dispatch_uid=uid)


def _signed_in(user: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
    audit.write("signed in", username=user.get_username(), user=str(user.pk), address=_address(request))


def _signed_out(user: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
    if user is not None:
        audit.write("signed out", username=user.get_username(), user=str(user.pk), address=_address(request))


def _sign_in_failed(
    credentials: Mapping[str, Any],
    request: HttpRequest | None = None,
    reason: str = "wrong name or password",
    **kwargs: Any,
) -> None:
    username = str(credentials.get("username") or "")
    audit.write("sign-in failed", username=username, address=_address(request), reason=reason)


def _address(request: HttpRequest | None) -> str:
    return "" if request is None else address_of(request)


def _of_authorization(event: str, facts: Mapping[str, Any], **kwargs: Any) -> None:
    audit.write(event, **_by(facts))


def _access_ended(ended: Iterable[tuple[str, Any]], usernames: Mapping[Any, str], **kwargs: Any) -> None:
    command = None if request_id.get() else command_line.current.get()
    for client, user in ended:
        facts = {"username": usernames.get(user), "user": str(user), "client": client}
        audit.write("access ended", **_by(facts | {"by": command and f"{_COMMANDS}{command}"}))


def _sessions_ended(sessions: Sequence[str], by: str, **kwargs: Any) -> None:
    for session in sessions:
        audit.write("session ended by an operator", **_by({"session": session, "by": by}))


def _in_the_admin(instance: LogEntry, **kwargs: Any) -> None:
    entry = instance
    kind = entry.content_type
    if kind is not None and kind.model_class() is LiveSession:
        return  # `sessions_ended` tells of it
    audit.write(
        "admin action",
        by=entry.user.get_username(),
        action=_ACTIONS.get(entry.action_flag, ""),
        kind="" if kind is None else kind.model,
        object=str(entry.object_id),
        name=entry.object_repr,
        note=entry.get_change_message(),
    )


def _by(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts; for what a command did, also which user of the computer ran it."""
    if not str(facts.get("by", "")).startswith(_COMMANDS):
        return dict(facts)
    try:
        return {**facts, "os_user": getpass.getuser()}
    except (KeyError, OSError):  # without a name, as in some containers
        return dict(facts)
