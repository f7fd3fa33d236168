"""The official Inspector in CLI mode: it signs in by itself, with a simulated browser."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.inspector import Inspector
from tests.e2e.tools import CALLS, Call, listed_at
from tests.support import node
from tests.support.deployment import Deployment

if (MISSING := node.missing()) and os.environ.get("CI"):
    raise RuntimeError(MISSING)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.node,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
    pytest.mark.timeout(240),
]

QUIET = {
    name: call
    for name, call in CALLS.items()
    if not (call.interactive or call.refused or call.fails or call.scope or name.startswith("test_"))
}
"""The tools that ask the client for nothing and need no further scope: the Inspector's CLI can do neither."""

REVISIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}


@pytest.fixture(params=[("integrated", "legacy"), ("separate", "modern")], ids="-".join)
def inspector(request: pytest.FixtureRequest, tmp_path: Path) -> Inspector:
    """In each mode, and for each era."""
    mode, era = request.param
    site: Deployment = request.getfixturevalue(mode)
    return Inspector(site.mcp_url, tmp_path, era)


KINDS = {
    *("echo", "longRunningOperation", "getTinyImage", "get-tiny-audio", "annotatedMessage"),
    *("getResourceReference", "get-resource-links", "gzip-file-as-resource", "get-structured-content"),
    *("create-note", "mcp_apps_hello_world"),
}
"""A tool for each kind of result: each call is a process of the Inspector, and other clients call all."""


def called(era: str) -> dict[str, Call]:
    """The tools that it calls: one of each kind in the legacy era, then `echo` and what is new."""
    modern = listed_at(REVISIONS["modern"])
    legacy = listed_at(REVISIONS["legacy"])
    names = KINDS if era == "legacy" else {"echo", *modern - legacy}
    return {name: call for name, call in QUIET.items() if name in names}


async def test_the_inspector_signs_in_once_and_uses_every_feature(inspector: Inspector) -> None:
    tools = await inspector("tools/list")
    listed = listed_at(REVISIONS[inspector.era])
    assert listed == {tool["name"] for tool in tools["tools"]}
    for name, call in called(inspector.era).items():
        arguments = ["--tool-args-json", json.dumps(call.arguments)] if call.arguments else []
        result = await inspector("tools/call", "--tool-name", name, *arguments)
        assert not result.get("isError"), name
        assert call.text in "\n".join(block.get("text", "") for block in result["content"]), name

    resources = (await inspector("resources/list"))["resources"]
    assert {f"test://static/resource/{number}" for number in range(1, 101)} < {
        resource["uri"] for resource in resources
    }
    (contents,) = (await inspector("resources/read", "--uri", "test://static/resource/1"))["contents"]
    assert contents["text"] == "Resource 1: This is a plaintext resource"

    prompts = (await inspector("prompts/list"))["prompts"]
    for name, argument in (
        ("simple_prompt", None),
        ("complex_prompt", "temperature=0.5"),
        ("resource_prompt", "resourceId=2"),
    ):
        assert name in {prompt["name"] for prompt in prompts}
        given = ["--prompt-args", argument] if argument else []
        assert (await inspector("prompts/get", "--prompt-name", name, *given))["messages"]
    assert inspector.sign_ins == 1
