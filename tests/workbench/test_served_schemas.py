"""The tools of this server, fixtures included, as forms."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from mcp_app.runtime import Runtime
from tests.workbench.test_modules import JS, NODE, major


def controls(tools: list[dict[str, Any]]) -> dict[str, Any]:
    """What `js/controls.mjs` finds for each tool."""
    assert NODE is not None
    command = [NODE, str(JS / "controls.mjs")]
    run = subprocess.run(
        command, input=json.dumps(tools), capture_output=True, text=True, timeout=30, check=True
    )
    found: dict[str, Any] = json.loads(run.stdout)
    return found


@pytest.mark.skipif(major() < 20, reason="needs Node.js 20 or later")
async def test_each_argument_of_each_tool_has_a_control_that_is_not_raw_json(settings: Any) -> None:
    settings.CONFORMANCE_FIXTURES = True
    tools = [tool.model_dump(mode="json", by_alias=True) for tool in await Runtime().server.list_tools()]
    found = controls(tools)
    assert found.keys() == {tool["name"] for tool in tools}
    for name, form in found.items():
        assert form["fault"] is None, name
        assert form["wrong"] == [], name  # what a form begins with is right as far as it goes
        assert "json" not in form["controls"].values(), name
    assert found["get-structured-content"]["controls"] == {"location": "choice"}
    assert found["json_schema_2020_12_tool"]["controls"]["address.city"] == "string"
