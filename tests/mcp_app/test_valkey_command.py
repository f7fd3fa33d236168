"""`manage.py valkey` of a project that has no Redis server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from mcp_app import valkey
from mcp_app.testing.environment import _answers
from tests.support.folders import short_folder


@pytest.mark.processes
def test_it_listens_where_the_settings_say_until_it_is_interrupted(
    settings: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[bool] = []

    def interrupted() -> None:
        answered.append(_answers(settings.MCP_REDIS_URL))
        raise KeyboardInterrupt

    monkeypatch.setattr("mcp_app.management.commands.valkey.wait_until_interrupted", interrupted)
    with short_folder() as folder:
        settings.MCP_REDIS_URL = f"unix://{Path(folder) / 'valkey' / 'valkey.sock'}"
        call_command("valkey")
        assert answered == [True]
        assert not _answers(settings.MCP_REDIS_URL)
    assert "Quit with Ctrl-C" in capsys.readouterr().out


@pytest.mark.parametrize("url", ["", "redis://redis:6379/0"])
def test_it_does_not_listen_at_another_address_than_a_socket(settings: Any, url: str) -> None:
    settings.MCP_REDIS_URL = url
    with pytest.raises(CommandError, match=r"Write in settings\.py: REDIS_URL"):
        call_command("valkey")


def test_it_says_why_it_cannot_start(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> Any:
        raise valkey.Refused("the folder belongs to another user")

    settings.MCP_REDIS_URL = "unix:///tmp/x/valkey.sock"
    monkeypatch.setattr(valkey, "running", refuse)
    with pytest.raises(CommandError, match="belongs to another user"):
        call_command("valkey")
