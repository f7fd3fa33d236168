"""Stopping and starting the simulations of a session."""

import random
from types import SimpleNamespace

import pytest

from everything_site.demo import simulations

from .support import MODERN, Exchange, connect, texts

SWITCHES = [
    ("toggle-simulated-logging", {"notifications/message", "notifications/stderr"}),
    ("toggle-subscriber-updates", {"notifications/resources/updated"}),
]


class Session:
    """A session that keeps its subscriptions."""

    def __init__(self):
        self.record = SimpleNamespace(id="s", subscriptions=frozenset({"test://x"}))

    async def subscribe(self, uri):
        self.record.subscriptions |= {uri}

    async def unsubscribe(self, uri):
        self.record.subscriptions -= {uri}


def heard(session):
    return {method for method, _ in simulations.due(0, 60, session.record.subscriptions, random.Random(0))}


@pytest.mark.parametrize(("name", "methods"), SWITCHES)
async def test_a_simulation_stops_and_starts_again(server, name, methods):
    session = Session()
    request = SimpleNamespace(session=session, headers={})
    everything = heard(session)
    assert (await Exchange(request=request).call(server, name)).startswith("Stopped simulated")
    assert heard(session) == everything - methods
    assert (await Exchange(request=request).call(server, name)).startswith("Started simulated")
    assert heard(session) == everything


async def test_a_switch_is_no_resource_to_be_updated(server):
    session = Session()
    await Exchange(request=SimpleNamespace(session=session, headers={})).call(server, SWITCHES[0][0])
    sent = simulations.due(0, 60, session.record.subscriptions, random.Random(0))
    assert {params["uri"] for method, params in sent if method.endswith("updated")} == {"test://x"}


@pytest.mark.parametrize(("name", "methods"), SWITCHES)
async def test_without_a_session_there_is_nothing_to_switch(server, name, methods):
    async with connect(server, MODERN) as client:
        result = await client.call_tool(name)
    assert result.is_error
    assert "no session" in texts(result)[0]
