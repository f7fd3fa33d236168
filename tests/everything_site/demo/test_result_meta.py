"""The metadata of every result in 2026-07-28 (basic/index, "Results" and "General fields")."""

import pytest

import mcp_app

from .support import MODERN, Answers, Exchange, connect

REQUESTS = [
    ("server/discover", {}),
    ("tools/list", {}),
    ("tools/call", {"name": "echo", "arguments": {"message": "x"}}),
    ("resources/list", {}),
    ("resources/read", {"uri": "test://static/resource/1"}),
    ("prompts/get", {"name": "simple_prompt"}),
    ("skills/list", {}),
]
SERVER_INFO = "io.modelcontextprotocol/serverInfo"
SERVER = {"name": "everything-server", "version": mcp_app.__version__}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.mark.parametrize(("method", "params"), REQUESTS)
async def test_every_result_says_what_type_it_is(server, method, params):
    result = await Exchange(version=MODERN).run(server, method, {**params, "_meta": META})
    assert result["resultType"] == "complete"


@pytest.mark.parametrize(("method", "params"), REQUESTS)
async def test_every_result_says_which_server_made_it(server, method, params):
    result = await Exchange(version=MODERN).run(server, method, {**params, "_meta": META})
    assert result["_meta"][SERVER_INFO].items() >= SERVER.items()


@pytest.mark.parametrize(("method", "params"), REQUESTS[1:])
async def test_a_result_names_the_server_only_by_name_and_version(server, method, params):
    result = await Exchange(version=MODERN).run(server, method, {**params, "_meta": META})
    assert result["_meta"][SERVER_INFO] == SERVER


async def test_the_rest_is_in_the_answer_to_discovery(server):
    result = await Exchange(version=MODERN).run(server, "server/discover", {"_meta": META})
    assert result["_meta"][SERVER_INFO]["title"] == "Everything Server"
    assert result["_meta"][SERVER_INFO]["icons"]


async def test_the_metadata_of_a_tool_is_preserved(server):
    params = {"name": "get-structured-content", "arguments": {"location": "Chicago"}, "_meta": META}
    result = await Exchange(version=MODERN).run(server, "tools/call", params)
    assert result["_meta"] == {SERVER_INFO: SERVER, "everything-server/location": "Chicago"}


async def test_a_result_that_asks_says_so(server):
    async with connect(server, MODERN, Answers()) as client:
        result = await client.session.call_tool("elicitInputs", allow_input_required=True)
    assert result.result_type == "input_required"


@pytest.mark.parametrize(("method", "params"), REQUESTS[1:-1])
async def test_before_2026_07_28_no_result_has_a_type(server, method, params):
    result = await Exchange(version="2025-11-25").run(server, method, params)
    assert "resultType" not in result
    assert SERVER_INFO not in result.get("_meta", {})
