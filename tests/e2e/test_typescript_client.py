"""The official TypeScript client against two processes, at each revision that it speaks."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tools import CALLS, listed_at
from tests.support import node
from tests.support.client import sign_in
from tests.support.deployment import Deployment

if (MISSING := node.missing()) and os.environ.get("CI"):
    raise RuntimeError(MISSING)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.node,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]

SCRIPT = Path(__file__).with_name("typescript") / "walk.mjs"
RUN_SECONDS = 90


def walk(url: str, token: str, revision: str) -> dict[str, Any]:
    """What the client found."""
    calls = {name: call.arguments or {} for name, call in CALLS.items()}
    done = subprocess.run(
        node.command(SCRIPT, str(node.PACKAGES), url, revision),
        env=node.environment(TOKEN=token),
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])
async def test_the_typescript_client_calls_every_tool_and_reads_every_resource(
    site: Deployment, revision: str
) -> None:
    found = walk(site.mcp_url, await sign_in(site.mcp_url), revision)
    assert found["revision"] == revision
    assert set(found["good"]) == listed_at(revision)
    for name, answer in found["good"].items():
        expected = CALLS[name]
        if expected.refused or expected.scope:
            assert "error" in answer or answer["isError"], name
        else:
            assert answer.get("isError") is expected.fails, f"{name}: {answer}"
            assert expected.text in answer["text"], name
    assert len(found["bad"]) > 15
    for name, answer in found["bad"].items():
        assert answer.get("error") or answer["isError"], name
    assert found["unknown"]["code"] == -32602
    assert len(found["resources"]) > 100
    assert all(found["resources"].values())
    assert found["after"] == {"isError": False, "text": "Echo: still here"}
