"""The session record: what any process needs to serve the next request of a session."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, get_args

from mcp_types import InitializeRequestParams, LoggingLevel
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION

from mcp_app.conf import conf
from mcp_app.exceptions import Unreadable, reading
from mcp_app.protocol.personal import person_key

VERSION = "1"
"""The version of everything that a session has in Redis.

Raise it with a change that the previous release would misread: each release serves only sessions of its own
version then. Additional fields, keys and types of messages need no new version, as they are ignored.
"""

_SUBSCRIPTION = "subscription:"
"""Prefix of hash fields with one subscription each, so that processes can add concurrently."""

_SEVERITY: tuple[LoggingLevel, ...] = get_args(LoggingLevel)
"""The levels of RFC 5424, least severe first."""

_PRIMING_SINCE = "2025-11-25"
"""The first revision whose streams begin with an event id (SEP-1699). Revisions compare as dates."""


@dataclass(frozen=True)
class SessionRecord:
    """A snapshot of one session."""

    id: str
    owner: str
    created_at: float
    protocol_version: str = LATEST_HANDSHAKE_VERSION
    client_params: InitializeRequestParams | None = None
    """The parameters of `initialize`; None in an HTTP+SSE session that still waits for it."""
    user: str = ""
    client: str = ""
    client_name: str = ""
    log_level: LoggingLevel | None = None
    subscriptions: frozenset[str] = frozenset()

    @cached_property
    def person_key(self) -> str:
        """The key under which the user's limits are counted."""
        return person_key(self.owner)

    @property
    def has_priming(self) -> bool:
        """Whether its streams begin with a priming event, a position to resume from (SEP-1699)."""
        return self.protocol_version >= _PRIMING_SINCE

    @property
    def seconds_left(self) -> int:
        """Seconds until the session reaches its maximum age, or 0."""
        return max(0, int(self.created_at + conf.session_max_seconds - time.time()))

    def memory(self) -> int:
        """An estimate of the bytes that it takes in a process.

        JSON takes up to 24 times its length, if it consists of empty objects.
        """
        params = "" if self.client_params is None else self.client_params.model_dump_json()
        return 1024 + 24 * len(params) + sum(4 * len(uri) + 100 for uri in self.subscriptions)

    def allows(self, method: str, params: Mapping[str, Any]) -> bool:
        """Whether a notification may be sent: log messages only at or above the level that was set."""
        if method != "notifications/message" or self.log_level is None:
            return True
        return _SEVERITY.index(params["level"]) >= _SEVERITY.index(self.log_level)

    def to_fields(self) -> dict[str, str]:
        fields = {
            "version": VERSION,
            "owner": self.owner,
            "created_at": repr(self.created_at),
            "protocol_version": self.protocol_version,
            "user": self.user,
            "client": self.client,
            "client_name": self.client_name,
        }
        if self.client_params is not None:
            fields["client_params"] = self.client_params.model_dump_json(by_alias=True, exclude_none=True)
        return fields

    @classmethod
    @reading()
    def from_fields(cls, session_id: str, fields: Mapping[str, str]) -> SessionRecord:
        """
        Raises:
            Unreadable: The record is of another version, or malformed.
        """
        if (version := fields.get("version", "1")) != VERSION:  # the first one was not written
            raise Unreadable(f"version {version}")
        created_at = float(fields["created_at"])
        log_level = cast("LoggingLevel | None", fields.get("log_level"))
        if not math.isfinite(created_at) or log_level not in (None, *_SEVERITY):
            raise ValueError(created_at, log_level)
        if fields["protocol_version"] not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise ValueError(fields["protocol_version"])
        record = cls(
            id=session_id,
            owner=fields["owner"],
            created_at=created_at,
            protocol_version=fields["protocol_version"],
            client_params=(
                InitializeRequestParams.model_validate_json(fields["client_params"])
                if "client_params" in fields
                else None
            ),
            user=fields.get("user", ""),
            client=fields.get("client", ""),
            client_name=fields.get("client_name", ""),
            log_level=log_level,
            subscriptions=frozenset(
                field.removeprefix(_SUBSCRIPTION) for field in fields if field.startswith(_SUBSCRIPTION)
            ),
        )
        _ = record.person_key  # raises if the owner is malformed
        return record


def subscription_field(uri: str) -> str:
    """The field of the record for a subscription to a resource."""
    return _SUBSCRIPTION + uri
