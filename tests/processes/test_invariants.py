"""The invariants of the design, one after the other (docs/architecture.md)."""

from __future__ import annotations

import ast
import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
import redis

from mcp_app import valkey
from tests.everything_site.checkout import checkout
from tests.mcp_app.transports.support import notification, request, text_of, tool_call
from tests.processes import COUNTS
from tests.processes.support import PATIENCE, Diary, Person, Reply, Session, Site, answer_to, hears_changes
from tests.support.processes import ROOT, needs_proc
from tests.support.waiting import eventually


async def test_invariant_1_no_process_owns_a_session(site: Site, alice: Person) -> None:
    one, other = (server.url for server in site.servers)
    session = await alice.open(one)
    for number in range(10):
        at = (one, other)[number % 2]
        assert text_of(await session.call(at, "echo", {"message": str(number)})) == f"Echo: {number}"
    assert (await session.delete(other)).status == 204

    async def has_ended() -> bool:
        return await session.ping(one) == 404

    await eventually(has_ended, within=1.0)


@pytest.mark.parametrize("tool", ["test_sampling", "test_elicitation"])
async def test_invariant_1_no_process_owns_a_session_in_the_middle_of_a_question(
    site: Site, alice: Person, tool: str
) -> None:
    one, other = (server.url for server in site.servers)
    for asked_at, answered_at in ((one, other), (other, one)):
        session = await alice.open(asked_at)
        asking = await session.post(asked_at, tool_call(tool, {"prompt": "Hm", "message": "Hm"}))
        question = await asking.next_message()
        assert await session.ping(answered_at) == 200
        assert await session.ping(asked_at) == 200
        assert (await session.post(answered_at, answer_to(question))).status == 202
        (answer,) = await asking.messages()
        assert "To Hm" in text_of(answer) or "alice@example.com" in text_of(answer)


async def test_invariant_2_the_event_log_is_the_source_of_truth(site: Site, alice: Person) -> None:
    one, other = (server.url for server in site.servers)
    session = await alice.open(one)
    steps = 40
    arguments = {"duration": 2, "steps": steps}
    call = tool_call("longRunningOperation", arguments, progress="p")
    first = await session.post(one, call)
    messages = [await first.next_message()]
    await first.drop()
    assert first.last_id is not None
    resumed = await session.get(other, first.last_id)  # woken by the first process alone

    with site.redis() as store:

        async def cut() -> None:
            while True:
                store.client_kill_filter(_type="pubsub")
                await asyncio.sleep(0.05)

        cutting = asyncio.create_task(cut())
        try:
            messages += await resumed.messages()
        finally:
            cutting.cancel()
    assert [message["params"]["progress"] for message in messages[:-1]] == list(range(1, steps + 1))
    assert "completed" in text_of(messages[-1])

    # And what was cut is mended: wake-ups arrive again, at each of the processes.
    for at, by in ((one, other), (other, one)):
        await hears_changes(await session.listen(at), session, at, by)


async def test_invariant_3_a_handler_outlives_its_connection(site: Site, alice: Person, diary: Diary) -> None:
    one, other = (server.url for server in site.servers)
    session = await alice.open(one)
    call = tool_call("harmful", {"diary": str(diary.path), "seconds": 1.5, "steps": 15}, id="x", progress="p")
    stream: Reply = await session.post(one, call)
    messages = []
    for at in (other, one, other):
        messages += [await stream.next_message() for _ in range(3)]
        await stream.drop()
        stream = await session.get(at, stream.last_id)
    messages += await stream.messages()
    assert [message["params"]["progress"] for message in messages[:-1]] == list(range(1, 16))
    assert messages[-1]["id"] == "x"
    assert text_of(messages[-1]) == "done"
    assert len(diary.runs) == 1


WATCHED = "test://static/resource/1"

EVERY_MESSAGE: list[Any] = [
    request("ping"),
    request("tools/list"),
    tool_call("echo", {"message": "mine?"}),
    tool_call("longRunningOperation", {"duration": 0.1, "steps": 1}, progress=1),
    request("resources/list"),
    request("resources/templates/list"),
    request("resources/read", {"uri": WATCHED}),
    request("resources/subscribe", {"uri": WATCHED}),
    request("resources/unsubscribe", {"uri": WATCHED}),
    request("prompts/list"),
    request("prompts/get", {"name": "simple_prompt"}),
    request(
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "complex_prompt"}, "argument": {"name": "style", "value": ""}},
    ),
    request("logging/setLevel", {"level": "error"}),
    request("no/such/method"),
    notification("notifications/initialized"),
    notification("notifications/cancelled", {"requestId": 1}),
    notification("notifications/roots/list_changed"),
    {"jsonrpc": "2.0", "id": "anything", "result": {}},
    {"jsonrpc": "2.0", "id": "anything", "error": {"code": 1, "message": "no"}},
]


@pytest.mark.parametrize("stranger", ["bob", "alice elsewhere"])
async def test_invariant_4_a_session_belongs_to_its_principal(
    site: Site, alice: Person, client_of: Any, stranger: str
) -> None:
    one, other = (server.url for server in site.servers)
    session = await alice.open(one)
    await (await session.post(one, request("resources/subscribe", {"uri": WATCHED}))).body()
    running = await session.post(one, tool_call("test_sampling", {"prompt": "Hm"}, id=1))
    question = await running.next_message()
    intruder = client_of(site.people[stranger])
    with site.redis() as store:
        before = store.hgetall(f"session:{{{session.id}}}")

    for at in (one, other):
        unknown = Session(intruder, "A" * len(session.id))
        foreign = Session(intruder, session.id)
        for message in [*EVERY_MESSAGE, answer_to(question)]:
            for post in (_post_mcp, _post_message):
                assert await _seen(await post(foreign, at, message)) == await _seen(
                    await post(unknown, at, message)
                ), message
                assert (await post(foreign, at, message)).status == 404
        for event_id in (None, running.last_id):
            answer = await foreign.get(at, event_id)
            assert answer.status == 404
            assert await _seen(answer) == await _seen(await unknown.get(at, event_id))
        answer = await foreign.delete(at)
        assert answer.status == 404
        assert await _seen(answer) == await _seen(await unknown.delete(at))
        # The stream of HTTP+SSE names a session of its own, whatever is given.
        sse = await intruder.send("GET", f"{at}/sse", {"Last-Event-ID": f"{session.id}.{running.last_id}"})
        assert session.id not in str(await sse.next_block())

    with site.redis() as store:
        assert store.hgetall(f"session:{{{session.id}}}") == before
    assert (await session.post(other, answer_to(question))).status == 202
    assert text_of((await running.messages())[-1]) == "LLM response: To Hm"


async def _post_mcp(session: Session, at: str, message: Any) -> Reply:
    return await session.post(at, message)


async def _post_message(session: Session, at: str, message: Any) -> Reply:
    return await session.person.send("POST", f"{at}/message?sessionId={session.id}", message=message)


async def _seen(reply: Reply) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that a client sees of a response, except what differs between any two responses."""
    headers = [(n, v) for n, v in reply.headers.multi_items() if n not in ("date", "x-request-id")]
    return reply.status, await reply.body(), headers


async def test_invariant_5_the_common_call_costs_no_redis_round_trip_and_no_query(
    site: Site, client_of: Any
) -> None:
    one = site.servers[0].url
    anyone: Person = client_of(await site.sign_in("carol"))  # whose token is remembered from now on
    session = await anyone.open(one)
    calls = 15
    with site.redis() as store:

        async def counts() -> tuple[int, int]:
            commands = sum(line["calls"] for line in store.info("commandstats").values())
            return commands, (await anyone.http.get(one + COUNTS)).json()["queries"]

        async def costs_nothing() -> bool:
            """In a window between two reads of Redis, which happen every few seconds."""
            await session.call(one, "echo", {"message": "warm"})
            before = await counts()
            for number in range(calls):
                reply = await session.post(one, tool_call("echo", {"message": str(number)}, id=number))
                assert reply.content_type == "application/json"
                assert text_of(await reply.json()) == f"Echo: {number}"
            after = await counts()
            own = 1  # of the test: the command that counts
            return (after[0] - before[0] - own, after[1] - before[1]) == (0, 0)

        await eventually(costs_nothing, within=30)


@pytest.mark.parametrize(
    ("arguments", "progress"), [({"duration": 0.05, "steps": 1}, 1), ({"duration": 0.6, "steps": 1}, None)]
)
async def test_invariant_5_an_answer_is_a_stream_only_when_the_handler_speaks_or_is_silent_for_long(
    site: Site, alice: Person, arguments: Any, progress: Any
) -> None:
    one = site.servers[0].url
    session = await alice.open(one)
    quick = await session.post(one, tool_call("longRunningOperation", {"duration": 0.01, "steps": 1}))
    assert quick.content_type == "application/json"
    reply = await session.post(one, tool_call("longRunningOperation", arguments, progress=progress))
    assert reply.content_type == "text/event-stream"
    assert "completed" in text_of(await reply.answer())


@needs_proc
async def test_invariant_6_development_uses_a_real_server(tmp_path: Path) -> None:
    with checkout(tmp_path, migrated=True) as fresh:
        fresh.runserver("--noreload", PYTHONWARNINGS="error")
        with redis.Redis.from_url(valkey.default_url(tmp_path), decode_responses=True) as store:
            assert "valkey_version" in store.info("server")
            names = {connection["lib-name"] for connection in store.client_list()}
            assert any("redis-py" in name for name in names)
        fresh.send(signal.SIGTERM)
        await eventually(lambda: not fresh.processes, within=PATIENCE)


def test_invariant_6_there_is_no_imitation_of_the_store(site: Site) -> None:
    for path in _modules(ROOT / "mcp_app") + _modules(ROOT / "everything_site"):
        assert not {"fakeredis", "channels.layers.InMemoryChannelLayer"} & set(_imports(path)), path
    code = (
        "from mcp_app.conf import conf; from mcp_app.coordination.layer import channel_layer; "
        "print(type(channel_layer()).__module__, conf.redis_url)"
    )
    backend, url = site.installation.run("shell", "--no-imports", "-c", code).stdout.split()
    assert backend.startswith("channels_redis.")
    assert url == site.installation.environment["REDIS_URL"]


OAUTH = ("oauth_app", "oauth2_provider", "oauthlib")


def test_invariant_7_mcp_code_knows_nothing_of_oauth() -> None:
    for path in _modules(ROOT / "mcp_app"):
        names = _imports(path)
        assert not [name for name in names if name.partition(".")[0] in OAUTH], path
        assert "oauth_app" not in path.read_text(), path


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _imports(path: Path) -> list[str]:
    """Everything that a module imports, wherever in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names
