"""Tasks as a client sees them: how they start, how they end, and who may see them."""

import json
import secrets

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY

from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.extensions.tasks.store import MAX_CALL_BYTES, MAX_RESULT_BYTES

from .support import Request

OWNER = '["client",null,"alice"]'
NEEDED = {"requiredCapabilities": {"extensions": {IDENTIFIER: {}}}}


async def test_the_extension_is_advertised_without_settings(here):
    found = await here.request("server/discover")
    assert found["capabilities"]["extensions"] == {IDENTIFIER: {}}
    assert "tasks" not in found["capabilities"]


async def test_a_task_is_flat_and_can_be_read_in_another_process_immediately(here, there):
    created = await here.call("careful")
    assert created.pop("resultType") == "task"
    assert set(created) - {"_meta"} == {
        "taskId",
        "status",
        "createdAt",
        "lastUpdatedAt",
        "ttlMs",
        "pollIntervalMs",
    }
    assert created["status"] == "working"
    assert isinstance(created["ttlMs"], int)
    read = await there.get(created["taskId"])
    assert read.pop("resultType") == "complete"
    assert read == created


async def test_a_task_ends_with_what_the_call_would_have_returned(here, there, toolbox):
    task_id = (await here.call("careful"))["taskId"]
    toolbox.gate.set()
    task = await there.until(task_id, "completed")
    assert task["result"]["content"] == [{"type": "text", "text": "careful is done"}]
    assert not task["result"]["isError"]


async def test_a_tools_failure_is_a_completed_task(here):
    task = await here.until((await here.call("fails"))["taskId"], "completed", "failed")
    assert task["status"] == "completed"
    assert task["result"]["isError"] is True


async def test_a_protocol_error_is_a_failed_task_with_that_error(here):
    task = await here.until((await here.call("breaks"))["taskId"], "completed", "failed")
    assert task["status"] == "failed"
    assert task["error"] == {"code": -32000, "message": "it broke", "data": {"why": "because"}}
    assert task["statusMessage"] == "it broke"
    assert "result" not in task


async def test_a_call_that_is_too_large_does_not_become_a_task(here):
    with pytest.raises(MCPError, match="too large") as caught:
        await here.call("careful", {"padding": "x" * MAX_CALL_BYTES})
    assert caught.value.code == INVALID_PARAMS
    assert (await here.call("careful", {"padding": "x" * (MAX_CALL_BYTES // 2)}))["resultType"] == "task"


async def test_a_result_that_is_too_large_fails_its_task(here):
    task = await here.until(
        (await here.call("says_much", {"size": MAX_RESULT_BYTES}))["taskId"], "completed", "failed"
    )
    assert task["status"] == "failed"
    assert task["error"]["data"] == {"reason": "result_too_large"}
    assert "too large" in task["statusMessage"]
    small = (await here.call("says_much", {"size": MAX_RESULT_BYTES // 2}))["taskId"]
    assert (await here.until(small, "completed", "failed"))["status"] == "completed"


@pytest.mark.parametrize("text", ["é", "中", "\U0001f600", "\n"])
async def test_sizes_are_counted_in_bytes_of_utf_8_and_not_of_escapes(here, text):
    each = len(json.dumps(text, ensure_ascii=False).encode()) - 2
    call = MAX_CALL_BYTES // each
    await here.call("careful", {"padding": text * (call - 500)})
    with pytest.raises(MCPError, match="too large"):
        await here.call("careful", {"padding": text * call})
    result = MAX_RESULT_BYTES // each
    fits = (await here.call("says_much", {"size": result - 500, "text": text}))["taskId"]
    task = await here.until(fits, "completed", "failed")
    assert task["result"]["content"][0]["text"] == text * (result - 500)
    grown = (await here.call("says_much", {"size": result, "text": text}))["taskId"]
    assert (await here.until(grown, "completed", "failed"))["status"] == "failed"


async def test_a_tool_without_support_never_becomes_a_task(here):
    result = await here.request("tools/call", {"name": "at_once", "arguments": {}, "task": {"ttl": 60_000}})
    assert result["resultType"] == "complete"
    assert result["content"][0]["text"] == "at once"


async def test_a_client_without_the_extension_gets_the_result_itself(here, toolbox):
    toolbox.gate.set()
    result = await here.call("careful", capabilities={})
    assert result["resultType"] == "complete"
    assert result["content"][0]["text"] == "careful is done"


async def test_the_extension_does_not_exist_at_older_revisions(here, toolbox):
    toolbox.gate.set()
    result = await here.call("careful", version="2025-11-25")
    assert result["content"][0]["text"] == "careful is done"
    with pytest.raises(MCPError) as caught:
        await here.get("any", version="2025-11-25")
    assert caught.value.code == METHOD_NOT_FOUND


async def test_a_tool_that_needs_a_task_says_so_to_a_client_without_tasks(here):
    with pytest.raises(MCPError) as caught:
        await here.call("only_task", capabilities={})
    assert (caught.value.code, caught.value.data) == (MISSING_REQUIRED_CLIENT_CAPABILITY, NEEDED)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_the_methods_need_the_extension_in_each_request(here, method):
    task_id = (await here.call("careful"))["taskId"]
    with pytest.raises(MCPError) as caught:
        await here.request(method, {"taskId": task_id, "inputResponses": {}}, capabilities={})
    assert (caught.value.code, caught.value.data) == (MISSING_REQUIRED_CLIENT_CAPABILITY, NEEDED)


@pytest.mark.parametrize("params", [{}, {"taskId": 5}, {"taskId": "x" * 1000}, {"inputResponses": []}])
@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_where_the_methods_do_not_exist_their_parameters_do_not_matter(here, method, params):
    with pytest.raises(MCPError) as caught:
        await here.request(method, params, capabilities={})
    assert (caught.value.code, caught.value.data) == (MISSING_REQUIRED_CLIENT_CAPABILITY, NEEDED)
    with pytest.raises(MCPError) as caught:
        await here.request(method, params, version="2025-11-25")
    assert caught.value.code == METHOD_NOT_FOUND


@pytest.mark.parametrize("method", ["tasks/result", "tasks/list"])
async def test_the_methods_of_the_earlier_design_are_gone(here, method):
    with pytest.raises(MCPError) as caught:
        await here.request(method, {"taskId": "x"})
    assert caught.value.code == METHOD_NOT_FOUND


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_foreign_task_is_answered_as_an_unknown_one(here, there, method):
    task_id = (await here.call("careful"))["taskId"]
    answers = []
    for name in (task_id, "no-such-task-" + task_id[:8]):
        with pytest.raises(MCPError) as caught:
            await there.request(method, {"taskId": name, "inputResponses": {}}, person="mallory")
        answers.append((caught.value.code, caught.value.message, json.dumps(caught.value.data)))
    assert answers[0][0] == INVALID_PARAMS
    assert answers[0][:2] == answers[1][:2]
    assert (await here.get(task_id))["status"] == "working"


@pytest.mark.parametrize("headers", [{"mcp-name": "another"}, {"other": "header"}])
async def test_over_http_the_name_header_must_be_the_tasks_id(here, headers):
    task_id = (await here.call("careful"))["taskId"]
    with pytest.raises(MCPError) as caught:
        await here.get(task_id, request=Request(headers=headers))
    assert caught.value.code == HEADER_MISMATCH
    assert (await here.get(task_id, request=Request(headers={"mcp-name": task_id})))["taskId"] == task_id


async def test_a_task_can_be_cancelled_from_another_process(here, there, toolbox):
    task_id = (await here.call("once"))["taskId"]
    await toolbox.has_begun.wait()
    acknowledged = await there.cancel(task_id)
    assert set(acknowledged) - {"_meta"} == {"resultType"}
    assert acknowledged["resultType"] == "complete"
    assert (await here.get(task_id))["status"] == "cancelled"
    await toolbox.cancelled.wait()
    assert toolbox.ended == []


@pytest.fixture
def consent(monkeypatch):
    """The consent under which everything here is called."""
    name = secrets.token_hex(8)
    monkeypatch.setattr("mcp_app.extensions.tasks.extension._grant", lambda: name)
    return name


@pytest.mark.parametrize("moment", ["before all", "before the index of the consent", "before the record"])
async def test_a_task_that_is_being_created_as_its_consent_is_withdrawn_is_cancelled_and_never_runs(
    here, there, consent, monkeypatch, moment
):
    enter, entered = here.store._add, []

    async def withdraw_in_between(**arguments):
        if moment == ("before all", "before the index of the consent")[len(entered)]:
            await there.store.cancel_by_grant(consent)
        entered.append(arguments)
        result = await enter(**arguments)
        if moment == "before the record" and len(entered) == 2:
            await there.store.cancel_by_grant(consent)
        return result

    monkeypatch.setattr(here.store, "_add", withdraw_in_between)
    created = await here.call("careful")
    assert created["status"] == "cancelled"
    assert (await there.get(created["taskId"]))["status"] == "cancelled"
    assert not len(here.tasks.runs)


async def test_the_tasks_of_all_consents_that_are_withdrawn_together_are_cancelled(here, there):
    consents = [secrets.token_hex(8) for _ in range(3)]
    tasks = [await here.store.create(OWNER, "careful", {}, grant=consent) for consent in consents * 2]
    kept = await here.store.create(OWNER, "careful", {}, grant=secrets.token_hex(8))
    await there.store.cancel_by_grant(*consents)
    assert {(await here.store.get(task.id)).status for task in tasks} == {"cancelled"}
    assert (await here.store.get(kept.id)).status == "working"


async def test_withdrawing_another_consent_does_not_affect_a_new_task(here, there, toolbox, consent):
    await there.store.cancel_by_grant(f"not {consent}")
    toolbox.gate.set()
    await here.until((await here.call("careful"))["taskId"], "completed")


async def test_cancelling_a_task_that_ended_changes_nothing(here, toolbox):
    toolbox.gate.set()
    task_id = (await here.call("careful"))["taskId"]
    before = await here.until(task_id, "completed")
    assert (await here.cancel(task_id))["resultType"] == "complete"
    assert await here.get(task_id) == before


async def test_progress_becomes_the_status_message(here, there, toolbox):
    task_id = (await here.call("reports"))["taskId"]
    await toolbox.has_begun.wait()
    assert (await there.get(task_id))["statusMessage"] == "half way"
    toolbox.gate.set()
    assert "statusMessage" not in await there.until(task_id, "completed")


async def test_required_input_is_requested_before_the_task_is_created(here):
    asked = await here.call("asks_before")
    assert asked["resultType"] == "input_required"
    assert "taskId" not in asked
    answers = {"name": {"action": "accept", "content": {"text": "Ada"}}}
    created = await here.request(
        "tools/call", {"name": "asks_before", "arguments": {}, "inputResponses": answers}
    )
    assert created["resultType"] == "task"
    assert not {"inputRequests", "requestState"} & set(created)
    task = await here.until(created["taskId"], "completed")
    assert task["result"]["content"][0]["text"] == "hello Ada"
