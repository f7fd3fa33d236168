"""Ends what runs on access tokens that another app of the project has withdrawn.

The engine does not know that app. It asks the configured token verifier, which may have, besides
`verify_token`, an attribute `access_withdrawn`: a Django signal with these arguments.

    checksums   SHA-256 of the tokens, in hexadecimal
    grants      the consents that ended, as in the claim `grant` of their tokens
    ended       pairs of a client id and a subject, between which no access is left
    issuer      the issuer of these tokens
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.dispatch import Signal
from django.utils.module_loading import import_string

from mcp_app import control
from mcp_app.conf import conf
from mcp_app.extensions.tasks.withdrawal import cancel_tasks
from mcp_app.monitoring import last_seen


def connect() -> None:
    """Listen to the signal of the configured token verifier, if it has one."""
    try:
        verifier = import_string(conf.token_verifier)
    except ImportError:
        return  # a system check reports this
    signal = getattr(verifier, "access_withdrawn", None)
    if isinstance(signal, Signal):
        signal.connect(end_access, dispatch_uid="mcp_app.withdrawal")


def end_access(
    checksums: Sequence[str],
    grants: Sequence[str],
    ended: Iterable[tuple[str, Any]],
    issuer: str,
    **kwargs: Any,
) -> None:
    """Tell every process that access was withdrawn: its calls, streams and tasks end.

    Sessions that nobody can use any more end, too. Call it from synchronous code; no server needs to run. If
    Redis cannot be reached, that is logged.
    """
    # Tasks first: nothing else ends one that is missed, but a token that is missed is verified again soon.
    cancel_tasks(grants)
    control.withdraw_tokens(checksums, grants)  # before the sessions end: it tells the clients of calls why
    if access := list(ended):
        control.end_sessions_of((client_id, issuer, str(subject)) for client_id, subject in access)
        last_seen.forget((client_id, issuer, str(subject)) for client_id, subject in access)
