"""The later release of a chaos run adds to what this one writes."""

from __future__ import annotations

from mcp_app.sessions.log_scripts import PUT
from tests.chaos.added import IN_SCRIPTS


def test_the_scripts_have_what_it_replaces() -> None:
    assert all(PUT.count(old) == 1 for old in IN_SCRIPTS)
