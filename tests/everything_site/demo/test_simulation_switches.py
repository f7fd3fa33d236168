"""Stopping and starting the simulations of a session."""

import random
from types import SimpleNamespace

import pytest

from everything_site.demo import simulations

from .support import MODERN, Exchange, Values, connect, texts

SWITCHES = [
    ("toggle-simulated-logging", {"notifications/message", "notifications/stderr"}),
    ("toggle-subscriber-updates", {"notifications/resources/updated"}),
]


class Session:
    """A session that stores values."""

    def __init__(self):
        self.record = SimpleNamespace(id="s", subscriptions=frozenset({"test://x"}))
        self.data = Values()


def heard(session):
    off = set(session.data.kept)
    found = simulations.due(0, 60, session.record.subscriptions, random.Random(0), off=off)
    return {method for method, _ in found}


@pytest.mark.parametrize(("name", "methods"), SWITCHES)
async def test_a_simulation_stops_and_starts_again(server, name, methods):
    session = Session()
    request = SimpleNamespace(session=session, headers={})
    everything = heard(session)
    assert (await Exchange(request=request).call(server, name)).startswith("Stopped simulated")
    assert heard(session) == everything - methods
    assert (await Exchange(request=request).call(server, name)).startswith("Started simulated")
    assert heard(session) == everything


@pytest.mark.parametrize(("name", "methods"), SWITCHES)
async def test_without_a_session_there_is_nothing_to_switch(server, name, methods):
    async with connect(server, MODERN) as client:
        result = await client.call_tool(name)
    assert result.is_error
    assert "belong to a session" in texts(result)[0]
