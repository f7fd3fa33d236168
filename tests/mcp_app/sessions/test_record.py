"""The session record: its version, and what it is estimated to take in memory."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from mcp_app.exceptions import Unreadable
from mcp_app.sessions import record as module
from mcp_app.sessions.record import SessionRecord, subscription_field

DECLARED: dict[str, Any] = {
    "nothing": {},
    "little": {"sampling": {}, "elicitation": {"form": {}}},
    "text": {"experimental": {"x": {"y": "z" * 8000}}},
    "objects": {"experimental": {"x": {"y": [{}] * 2700}}},
    "names": {"experimental": {str(n): {} for n in range(900)}},
}


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("subscriptions", [0, 1000])
def test_a_record_takes_no_more_memory_than_is_estimated(declared: str, subscriptions: int) -> None:
    params = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "n", "version": "1"}}
    fields = {"owner": '["c",null,"s"]', "created_at": "1.0", "protocol_version": "2025-11-25"}
    fields["client_params"] = json.dumps(params | {"capabilities": DECLARED[declared]}, separators=(",", ":"))
    fields |= {subscription_field(f"test://{n}"): "1" for n in range(subscriptions)}
    text = json.dumps(fields)
    tracemalloc.start()
    try:
        record = SessionRecord.from_fields("s", json.loads(text))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= record.memory()


def test_a_record_without_a_version_is_of_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"owner": '["c",null,"s"]', "created_at": "1.0", "protocol_version": "2025-11-25"}
    assert SessionRecord.from_fields("s", fields).id == "s"
    monkeypatch.setattr(module, "VERSION", "a later one")
    with pytest.raises(Unreadable, match="version 1"):
        SessionRecord.from_fields("s", fields)
