"""docs/backups.md: what its commands show to others. tests/processes/test_restore.py runs them."""

from __future__ import annotations

from tests.docs.markdown import blocks

WITH_PASSWORDS = ("$REDIS_URL", "$DATABASE_URL")
"""The variables of the servers."""


def test_no_command_has_a_password_that_ps_would_show() -> None:
    lines = [line for block in blocks("backups.md", "bash") for line in block.splitlines()]
    assert any(line.startswith("redis-cli ") for line in lines)
    assert not [line for line in lines if any(name in line for name in WITH_PASSWORDS)]
