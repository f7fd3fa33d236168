"""What every driver in Python uses: it reports to the run, and asks it for what a driver cannot do.

A driver runs inside the client's own environment, so this needs nothing but Python. It writes one line of
JSON for each message, after a mark, since some clients print as well; the run answers on its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

MARK = "@@client "
WAIT = 30.0
"""Seconds that one check may take."""
SURVIVAL_WAIT = 40.0
"""Seconds that a call may take whose connection or process is lost."""

URL = os.environ.get("ENDPOINT", "")
TOKEN = os.environ.get("TOKEN", "")
MODE = sys.argv[1] if len(sys.argv) > 1 else ""
PACKAGES = os.environ.get("PACKAGES", "")

Work = Callable[[], Awaitable[Any]]


class Surprise(Exception):
    """An answer that is not what it must be."""


class Tools(Protocol):
    """What an adapter for a client offers to the common checks."""

    async def names(self) -> list[str]: ...
    async def call(self, name: str, arguments: dict[str, Any]) -> Any: ...


Trouble = Callable[..., Awaitable[None]]
Connect = Callable[[], AbstractAsyncContextManager[Tools]]

_LONG = {"duration": 3, "steps": 6}
_PNG = r"iVBORw0KGgo|image/png|x89PNG|PngImage|ImageResultContent|<image"
"""An image as one client or another represents it; some give their users text only."""
_ASKED = asyncio.Lock()


def say(**message: Any) -> None:
    print(f"\n{MARK}{json.dumps(message)}", flush=True)


async def ask(what: str, **more: Any) -> Any:
    """Ask the run for something, such as to play the browser, and return its answer."""
    async with _ASKED:
        say(ask=what, **more)
        answer = json.loads(await asyncio.to_thread(sys.stdin.readline))
    if "error" in answer:
        raise Surprise(f"{what}: {answer['error']}")
    return answer


async def sign_in(url: str) -> str:
    """Let the run play the browser at an authorization URL; the URL that the client is called back at."""
    return (await ask("sign in", url=url))["back"]


def revision(name: Any) -> None:
    """Say which protocol revision was negotiated."""
    say(revision=str(name))


async def check(name: str, work: Work, seconds: float = WAIT) -> bool:
    """Run one check and say what came of it; true if it passed."""
    task = asyncio.ensure_future(work())
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=3)
        say(failed=name, reason=f"no answer within {seconds:.0f} s")
        return False
    if task.cancelled():
        say(failed=name, reason="cancelled")
        return False
    if (error := task.exception()) is not None:
        traceback.print_exception(error)
        say(failed=name, reason=reason_of(error))
        return False
    say(passed=name)
    return True


def reason_of(error: BaseException) -> str:
    """The first line of the innermost error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}"[:200]


def expect(found: Any, *wanted: str) -> Any:
    """`found` itself, whose text must hold what is wanted."""
    text = found if isinstance(found, str) else repr(found)
    for word in wanted:
        if not re.search(word, text):
            raise Surprise(f"{word!r} is not in {text[:200]}")
    return found


async def base(tools: Tools) -> None:
    """The checks that every client that can call tools is run through."""

    async def names() -> None:
        expect(repr(await tools.names()), "echo", "longRunningOperation|long_running_operation")

    async def call(name: str, arguments: dict[str, Any], *wanted: str) -> None:
        expect(await tools.call(name, arguments), *wanted)

    await check("tools", names)
    await check("echo", lambda: call("echo", {"message": "hello"}, "Echo: hello"))
    await check("structured", lambda: call("get-structured-content", {"location": "Chicago"}, "82"))
    await check("image", lambda: call("getTinyImage", {}, _PNG))
    await check("long", lambda: call("longRunningOperation", _LONG, "completed"))


async def survives(name: str, connect: Connect, **details: Any) -> None:
    """Check that a call on a new connection ends well though the run makes trouble meanwhile."""

    async def work(trouble: Trouble) -> None:
        async with connect() as tools:
            await tools.call("echo", {"message": "connected"})
            call = asyncio.ensure_future(tools.call("longRunningOperation", _LONG))
            try:
                await trouble(name=name, during="longRunningOperation", **details)
                expect(await call, "completed")
            finally:
                call.cancel()

    await _in_trouble(name, work)


async def comes_back(connect: Connect) -> None:
    """Check that a client works again after an outage that outlasts the session's idle time."""

    async def work(trouble: Trouble) -> None:
        async with connect() as tools:
            await tools.call("echo", {"message": "before"})
            await trouble(name="idle")
            expect(await tools.call("echo", {"message": "after"}), "Echo: after")

    await _in_trouble("idle", work)


async def _in_trouble(name: str, work: Callable[[Trouble], Awaitable[None]]) -> None:
    """A check with trouble, which is over afterwards, also where the client has given up before."""
    made: list[asyncio.Future[Any]] = []

    async def trouble(**details: Any) -> None:
        made.append(asyncio.ensure_future(ask("trouble", **details)))
        await asyncio.shield(made[-1])

    await check(name, lambda: work(trouble), SURVIVAL_WAIT)
    if made:
        await asyncio.wait(made)


async def common(connect: Connect, more: Callable[[Any], Awaitable[None]] | None = None) -> None:
    """Connect, then everything that each client is run through, and `more` on the first connection."""
    reached: asyncio.Queue[str] = asyncio.Queue()

    async def first() -> None:  # one task from the beginning of a connection to its end, as anyio wants it
        async with connect() as tools:
            reached.put_nowait("connected")
            await base(tools)
            if more is not None:
                await more(tools)
            reached.put_nowait("used")

    task = asyncio.ensure_future(first())

    async def until(place: str) -> None:
        step = asyncio.ensure_future(reached.get())
        await asyncio.wait({task, step}, return_when=asyncio.FIRST_COMPLETED)
        if not step.done():
            step.cancel()
            await task
            raise Surprise(f"ended before it was {place}")

    if not await check("connect", lambda: until("connected"), SURVIVAL_WAIT):
        task.cancel()
        return
    await until("used")
    await asyncio.wait({task}, timeout=5)  # some clients hang at their end
    await survives("cut", connect)
    await survives("kill", connect)
    await comes_back(connect)


def run(main: Awaitable[None]) -> None:
    """Run a driver to its end. A client that does not end by itself then is left to the run."""

    async def whole() -> None:
        try:
            await main
        except BaseException as error:
            traceback.print_exception(error)
            say(failed="connect", reason=reason_of(error))
        say(end=True)
        sys.stdout.flush()
        os._exit(0)

    asyncio.run(whole())


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    while line := await stream.readline():
        yield line.decode(errors="replace")
