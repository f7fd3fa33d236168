"""docs/examples/audit: what the observers of two processes write down."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from audit.models import Entry
from django.contrib.auth.models import User
from opentelemetry import metrics

from tests.mcp_app.transports.support import LATEST, Process, Session, modern, text_of
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def the_example(mcp_settings: Any) -> None:
    mcp_settings.MCP_SERVER = "orders.mcp.build"
    mcp_settings.MCP_OBSERVERS = ["audit.observers.Audit", "audit.observers.Metrics"]


class Meter:
    """Keeps what is measured, by instrument and attributes."""

    def __init__(self) -> None:
        self.measured: Counter[tuple[str, tuple[tuple[str, Any], ...]]] = Counter()

    def create_histogram(self, name: str, unit: str = "") -> Any:
        meter = self

        class Instrument:
            def record(self, amount: float, attributes: dict[str, Any] | None = None) -> None:
                assert amount >= 0
                meter.measured[name, tuple(sorted((attributes or {}).items()))] += 1

            add = record

        return Instrument()

    create_counter = create_histogram


async def test_each_call_of_a_tool_is_written_down_with_who_made_it_whichever_process_served_it(
    one: Process, other: Process, alice: User, bob: User
) -> None:
    order = {"name": "place_order", "arguments": {"item": "pears", "amount": 2}}
    for at, user in ((one, alice), (other, bob)):
        assert "order://" in text_of(
            await (await modern(at, "tools/call", order, token=str(user.pk))).answer()
        )
    session = await Session.open(one, str(alice.pk))
    await session.call(other, "refund", {"order_id": 1})  # she may not, and to her there is no such tool

    async def entries() -> list[Entry]:
        found = [entry async for entry in Entry.objects.order_by("tool", "subject")]
        return found if len(found) == 3 else []

    written = await eventually(entries)
    assert [(entry.subject, entry.tool, entry.outcome) for entry in written] == [
        (str(alice.pk), "place_order", "result"),
        (str(bob.pk), "place_order", "result"),
        (str(alice.pk), "refund", "error"),
    ]


async def test_calls_and_refusals_are_measured(
    mcp_settings: Any, one: Process, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter()
    monkeypatch.setattr(metrics, "get_meter", lambda name: meter)
    process = Process()
    try:
        session = await Session.open(process, str(alice.pk))
        await session.call(process, "nothing")
        await modern(process, "tools/list", token=None)
    finally:
        await process.stop()  # which waits for the observers
    failed = {"mcp.method.name": "tools/call", "mcp.protocol.version": LATEST}
    failed |= {"gen_ai.tool.name": "nothing", "error.type": "-32602"}
    assert meter.measured["mcp.server.operation.duration", tuple(sorted(failed.items()))] == 1
    assert meter.measured["mcp.server.refused", (("http.response.status_code", 401),)] == 1
