"""A tool for some only is to everybody else a tool that does not exist, wherever it could be seen.

Each attempt is made for a hidden tool and for one that no server has; the responses must be the same.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from django.contrib.auth.models import Permission, User
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult, ToolAnnotations
from pydantic import Field

from mcp_app.access import requires
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.extensions.tasks.extension import Tasks
from mcp_app.extensions.tasks.support import TaskSupport
from mcp_app.server import Engine
from mcp_app.sessions import keys
from tests.mcp_app.transports.support import (
    MODERN,
    OLDER,
    Held,
    Process,
    Session,
    headers_for,
    modern,
    request,
    text_of,
    tool_call,
)
from tests.support.asgi import Response, ServerSentEvent
from tests.support.queries import in_database, watched_database
from tests.support.waiting import eventually

HIDDEN, UNKNOWN, OPEN = "refund", "nobody", "price"
PERMISSION = "view_group"
GUARDED = requires(permission=f"auth.{PERMISSION}", scopes=["orders:write"])
KNOWS_TASKS: dict[str, Any] = {"extensions": {IDENTIFIER: {}}, "elicitation": {"form": {}}}
REVISIONS = (*OLDER, MODERN)


async def refund(
    ctx: Context,
    amount: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Amount"})] = 1,
) -> str:
    """Refunds an amount."""
    return f"refunded {amount}"


async def price() -> str:
    """A price."""
    return "30"


async def sure(ctx: Context) -> str | InputRequiredResult:
    """Asks first."""
    if ctx.input_responses:
        return "done"
    form = ElicitRequestFormParams(message="Sure?", requested_schema={"type": "object", "properties": {}})
    return InputRequiredResult(input_requests={"sure": ElicitRequest(params=form)})


async def no_suggestions(*asked: Any) -> None:
    return None


def build(engine: Engine) -> MCPServer[Any]:
    tasks = Tasks({HIDDEN: TaskSupport(), "sure": TaskSupport(), "held": TaskSupport()})
    server = MCPServer("orders", **engine.options(extensions=[tasks]))
    server.add_tool(refund, meta=GUARDED)
    server.add_tool(price)
    server.add_tool(sure, meta=GUARDED, structured_output=False)
    server.completion()(no_suggestions)
    return server


@pytest.fixture(autouse=True)
def a_server_with_hidden_tools(mcp_settings: Any, transactional_db: None) -> None:
    mcp_settings.MCP_ISSUER = "https://auth.example"
    mcp_settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.UserTokens"
    mcp_settings.MCP_SERVER = f"{__name__}.build"


@pytest.fixture
def alice(transactional_db: None) -> User:
    """She may refund."""
    user = User.objects.create_user("alice")
    user.user_permissions.add(Permission.objects.get(codename=PERMISSION))
    return user


@pytest.fixture
def bob(transactional_db: None) -> User:
    """He may not, whatever the scopes of his token."""
    return User.objects.create_user("bob")


@pytest.fixture
def carol(transactional_db: None) -> User:
    """Nor may she."""
    return User.objects.create_user("carol")


def token(user: User, *scopes: str) -> str:
    return "/".join([str(user.pk), *scopes])


def clear(user: User) -> Awaitable[Any]:
    """Take the permission."""
    return in_database(user.user_permissions.clear)


async def send(at: Process, who: str, revision: str, method: str, params: Any, **headers: Any) -> Response:
    """One request, in a session of its own if the revision has sessions."""
    if revision == MODERN:
        return await modern(at, method, params, token=who, capabilities=KNOWS_TASKS, **headers)
    session = await Session.open(at, who, revision)
    return await session.post(at, request(method, params))


async def said(response: Response, name: str) -> tuple[int, dict[str, str], str]:
    """Everything that a response reveals, without the name that was sent."""
    body = (await response.body()).decode()
    headers = {
        key: value for key, value in response.headers.items() if key not in ("content-length", "x-request-id")
    }
    return response.status, headers, body.replace(name, "NAME")


def cursor(name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(["tools", 0, name]).encode()).decode()


Attempt = Callable[[str], tuple[str, dict[str, Any], dict[str, Any]]]

ATTEMPTS: dict[str, Attempt] = {
    "a call": lambda name: ("tools/call", {"name": name, "arguments": {}}, {}),
    "a call with arguments": lambda name: ("tools/call", {"name": name, "arguments": {"amount": 7}}, {}),
    "a call with wrong arguments": lambda name: (
        "tools/call",
        {"name": name, "arguments": {"amount": []}},
        {},
    ),
    "a call with malformed parameters": lambda name: ("tools/call", {"name": name, "arguments": 5}, {}),
    "a call with progress": lambda name: (
        "tools/call",
        {"name": name, "arguments": {}, "_meta": {"progressToken": 1}},
        {},
    ),
    "a call with a header that mirrors an argument": lambda name: (
        "tools/call",
        {"name": name, "arguments": {"amount": 7}},
        {"mcp_param_amount": "8"},
    ),
    "a call with a state": lambda name: (
        "tools/call",
        {"name": name, "arguments": {}, "requestState": "x", "inputResponses": {}},
        {},
    ),
    "a cursor": lambda name: ("tools/list", {"cursor": cursor(name)}, {}),
    "a completion": lambda name: (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": "amount", "value": ""}},
        {},
    ),
    "a prompt": lambda name: ("prompts/get", {"name": name}, {}),
    "a resource": lambda name: ("resources/read", {"uri": f"tool://{name}"}, {}),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_an_attempt_at_a_hidden_tool_is_answered_as_at_an_unknown_one(
    start_process: Callable[[], Process], bob: User, carol: User, attempt: str
) -> None:
    for revision in REVISIONS:
        at = start_process()  # which has copies of neither person
        for scopes in ((), ("orders:write",)):
            answers, queries = [], []
            for name, user in ((HIDDEN, bob), (UNKNOWN, carol)):
                method, params, headers = ATTEMPTS[attempt](name)
                with watched_database() as database:
                    response = await send(at, token(user, *scopes), revision, method, params, **headers)
                    answers.append(await said(response, name))
                assert database.still_open == []
                queries.append(len(database.queries))
            assert answers[0] == answers[1]
            assert queries[0] == queries[1]
            assert '"error"' in answers[0][2]


async def test_it_is_listed_and_suggested_to_those_who_may_use_it_only(
    one: Process, other: Process, alice: User, bob: User
) -> None:
    for revision in REVISIONS:
        for at in (one, other):
            for user, names in ((alice, [HIDDEN, OPEN, "sure"]), (bob, [OPEN])):
                listed = await (await send(at, token(user), revision, "tools/list", {})).answer()
                assert [tool["name"] for tool in listed["result"]["tools"]] == names
                typo = await send(at, token(user), revision, "tools/call", {"name": "refunt"})
                assert (HIDDEN in await said_text(typo)) is (user is alice)


async def said_text(response: Response) -> str:
    return (await response.body()).decode()


async def test_a_list_that_differs_between_people_is_private(one: Process, alice: User, bob: User) -> None:
    for user in (alice, bob):
        listed = await (await modern(one, "tools/list", token=token(user))).answer()
        assert listed["result"]["cacheScope"] == "private"


@pytest.mark.parametrize("revision", REVISIONS)
async def test_whoever_has_the_permission_is_asked_for_the_scope(
    one: Process, alice: User, revision: str
) -> None:
    call = {"name": HIDDEN, "arguments": {"amount": 7}}
    mirrored = {"mcp_param_amount": "7"} if revision == MODERN else {}
    refused = await send(one, token(alice), revision, "tools/call", call, **mirrored)
    assert refused.status == 403
    assert 'scope="mcp orders:write"' in refused.headers["www-authenticate"]
    capable = token(alice, "orders:write")
    done = await send(one, capable, revision, "tools/call", call, **mirrored)
    answer = await done.answer()
    assert "taskId" in answer["result"] if revision == MODERN else text_of(answer) == "refunded 7"


async def test_a_quick_call_of_a_tool_without_a_rule_needs_neither_redis_nor_the_database(
    one: Process, bob: User, mcp_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mcp_settings.MCP_LEASE_SECONDS = 60.0  # the heartbeat does not beat meanwhile
    session = await Session.open(one, token(bob))
    calls: list[Callable[[], Awaitable[Response]]] = [
        lambda: session.post(one, tool_call(OPEN)),
        lambda: modern(one, "tools/call", {"name": OPEN, "arguments": {}}, token=token(bob)),
    ]
    for call in calls:
        await call()  # reads what the process then has copies of
    commands: list[Any] = []
    execute = one.runtime.redis.execute_command

    def count(*command: Any, **options: Any) -> Any:
        commands.append(command)
        return execute(*command, **options)

    monkeypatch.setattr(one.runtime.redis, "execute_command", count)
    with watched_database() as database:
        for call in calls:
            assert text_of(await (await call()).answer()) == "30"
    assert commands == []
    assert database.connections == []


async def test_a_batch_reveals_nothing_either(one: Process, bob: User) -> None:
    session = await Session.open(one, token(bob), "2025-03-26")
    calls = [tool_call(HIDDEN, id=1), tool_call(UNKNOWN, id=2), tool_call(OPEN, id=3)]
    answers = {each["id"]: each for each in await (await session.post(one, calls)).messages()}
    assert answers[1]["error"] == {"code": -32602, "message": f"Unknown tool: {HIDDEN}"}
    assert answers[2]["error"] == {"code": -32602, "message": f"Unknown tool: {UNKNOWN}"}
    assert text_of(answers[3]) == "30"


async def test_http_sse_reveals_nothing_either(one: Process, bob: User) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(token(bob)))
    opening = await stream.next_block()
    assert opening is not None
    assert opening.data is not None
    for name in (HIDDEN, UNKNOWN):
        body = json.dumps(tool_call(name)).encode()
        response = await one.http.request("POST", opening.data, headers=headers_for(token(bob)), body=body)
        assert response.status == 202
        answer = await stream.next_message()
        assert answer["error"] == {"code": -32602, "message": f"Unknown tool: {name}"}


async def test_a_permission_that_is_taken_takes_the_tool_at_every_process_in_time(
    one: Process, other: Process, alice: User, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 0.2
    sessions = {at: await Session.open(at, token(alice, "orders:write")) for at in (one, other)}
    for at, session in sessions.items():
        assert text_of(await session.call(at, HIDDEN)) == "refunded 1"
    await clear(alice)
    for at, session in sessions.items():

        async def is_refused(at: Process = at, session: Session = session) -> bool:
            answer = await session.call(at, HIDDEN)
            return bool(answer.get("error", {}).get("message") == f"Unknown tool: {HIDDEN}")

        await eventually(is_refused)


async def a_lost_call(one: Process, other: Process, alice: User) -> tuple[Session, ServerSentEvent, Held]:
    """A call of a guarded tool whose process is lost: its session, its last event, and the tool elsewhere."""
    idempotent = ToolAnnotations(idempotent_hint=True)
    Held(one, annotations=idempotent, meta=GUARDED)
    repeated = Held(other, annotations=idempotent, meta=GUARDED)
    session = await Session.open(one, token(alice, "orders:write"))
    stream = await session.post(one, tool_call("held", progress=1))
    last = await stream.next_event()
    await one.runtime.calls.stop()  # as by SIGKILL
    await stream.drop()
    for name in await one.runtime.redis.hkeys(keys.calls(session.id)):
        await one.runtime.redis.delete(keys.lease(session.id, str(name)))
    return session, last, repeated


async def test_a_call_is_not_repeated_for_whoever_has_lost_the_permission(
    one: Process, other: Process, alice: User, streams_soon: None, running_for_long: None
) -> None:
    session, last, repeated = await a_lost_call(one, other, alice)
    await clear(alice)
    answer = (await (await session.get(other, last.id)).messages())[-1]
    assert answer["error"] == {"code": -32602, "message": "Unknown tool: held"}
    assert repeated.runs == 0


async def test_a_call_is_not_repeated_for_a_token_without_its_scope(
    one: Process, other: Process, alice: User, streams_soon: None, running_for_long: None
) -> None:
    session, last, repeated = await a_lost_call(one, other, alice)
    session.token = token(alice)
    answer = (await (await session.get(other, last.id)).messages())[-1]
    assert "requires the scope orders:write" in answer["error"]["message"]
    assert repeated.runs == 0


# --- Tasks


async def task_of(at: Process, user: User, name: str) -> str:
    call = {"name": name, "arguments": {}}
    who = token(user, "orders:write")
    created = await (await modern(at, "tools/call", call, token=who, capabilities=KNOWS_TASKS)).answer()
    task_id: str = created["result"]["taskId"]
    return task_id


async def ask(at: Process, user: User, method: str, task_id: str) -> Any:
    params: dict[str, Any] = {"taskId": task_id}
    if method == "tasks/update":
        params["inputResponses"] = {"sure": {"action": "accept", "content": {}}}
    who = token(user, "orders:write")
    response = await modern(at, method, params, token=who, capabilities=KNOWS_TASKS, mcp_name=task_id)
    return await response.answer()


async def until(at: Process, user: User, task_id: str, status: str) -> None:
    async def is_so() -> bool:
        answer = await ask(at, user, "tasks/get", task_id)
        return bool(answer["result"]["status"] == status)

    await eventually(is_so)


async def listened_for(at: Process, user: User, task_id: str) -> Any:
    """What a listen request for a task is acknowledged with."""
    listen = {"notifications": {"taskIds": [task_id], "toolsListChanged": True}}
    who = token(user, "orders:write")
    stream = await modern(at, "subscriptions/listen", listen, token=who, capabilities=KNOWS_TASKS)
    acknowledged = await stream.next_message()
    stream.leave()
    return acknowledged["params"]["notifications"]


async def test_no_task_is_started_of_a_hidden_tool(one: Process, bob: User) -> None:
    for name in (HIDDEN, UNKNOWN):
        call = {"name": name, "arguments": {}}
        who = token(bob, "orders:write")
        answer = await (await modern(one, "tools/call", call, token=who, capabilities=KNOWS_TASKS)).answer()
        assert answer["error"] == {"code": -32602, "message": f"Unknown tool: {name}"}


async def test_the_tasks_of_a_tool_are_hidden_with_it(one: Process, other: Process, alice: User) -> None:
    finished, asking = await task_of(one, alice, HIDDEN), await task_of(one, alice, "sure")
    await until(one, alice, finished, "completed")
    await until(one, alice, asking, "input_required")
    assert "taskIds" in await listened_for(one, alice, asking)
    await clear(alice)
    for task_id in (finished, asking):
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            answer = await ask(other, alice, method, task_id)
            unknown = await ask(other, alice, method, "another")
            assert answer["error"]["message"] == unknown["error"]["message"] == "Unknown task"
            assert answer["error"]["code"] == unknown["error"]["code"]
        assert await listened_for(other, alice, task_id) == {"toolsListChanged": True}


async def test_a_task_does_not_continue_for_a_token_without_its_scope(one: Process, alice: User) -> None:
    task_id = await task_of(one, alice, "sure")
    await until(one, alice, task_id, "input_required")
    params = {"taskId": task_id, "inputResponses": {"sure": {"action": "accept", "content": {}}}}
    await modern(one, "tasks/update", params, token=token(alice), capabilities=KNOWS_TASKS, mcp_name=task_id)
    await until(one, alice, task_id, "failed")
    answer = await ask(one, alice, "tasks/get", task_id)
    assert "requires the scope orders:write" in answer["result"]["error"]["message"]
