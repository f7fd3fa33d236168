"""docs/lifetimes.md: the numbers match the code."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from mcp_app.conf import BODY_SECONDS
from mcp_app.conf import conf as mcp
from mcp_app.daphne_http import HEAD_SECONDS
from mcp_app.extensions.tasks import store
from oauth_app import verifier
from oauth_app.conf import Conf
from oauth_app.conf import conf as oauth
from tests.docs.markdown import code, rows

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 24 * 3600}

OAUTH = {setting.name: setting.attribute for setting in Conf.declared() if setting.name.endswith("_SECONDS")}

FIXED = {
    "Database connection for token look-ups": verifier.KEPT_SECONDS,
    "Head of a request that is still arriving, under Daphne": HEAD_SECONDS,
    "Body of a request that is still arriving": BODY_SECONDS,
}

ROWS = rows("lifetimes.md", "What", "Lives for")


def documented(text: str) -> float:
    parts = re.fullmatch(r"(?:(\d+) \u00d7 )?(\d+) (second|minute|hour|day)s?", text)
    assert parts, text
    return int(parts[1] or 1) * int(parts[2]) * UNITS[parts[3]]


def actual(what: str, setting: str) -> float:
    """The seconds in the code; the claim of a stream lasts for three keep-alives."""
    if setting == "—":
        return FIXED[what]
    [name] = code(setting)
    if name in OAUTH:
        return getattr(oauth, OAUTH[name])
    if name == "SESSION_COOKIE_AGE":
        return settings.SESSION_COOKIE_AGE
    factor = 3 if what.startswith("Claim") else 1
    return factor * getattr(mcp, name.removeprefix("MCP_").lower())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["What"])
def test_a_lifetime_is_as_documented(row: dict[str, str]) -> None:
    assert documented(row["Lives for"]) == actual(row["What"], row["Setting"])


def test_every_lifetime_of_the_authorization_server_is_documented() -> None:
    named = {name for row in ROWS for name in code(row["Setting"])}
    assert set(OAUTH) <= named
    assert {"MCP_SESSION_IDLE_SECONDS", "MCP_SESSION_MAX_SECONDS", "MCP_LEASE_SECONDS"} <= named


def test_a_task_can_be_read_for_another_minute() -> None:
    assert store.GRACE_SECONDS == 60
