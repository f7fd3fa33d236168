"""The bytes that the tasks of one person hold in Redis, over all processes."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_app.conf import Conf, conf
from mcp_app.coordination.held import HeldBytes
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.extensions.tasks import keys


class TasksTooLarge(QuotaExceeded):
    """The tasks of a person hold the maximum number of bytes."""

    def __init__(self) -> None:
        super().__init__(
            "Too much data in tasks: yours may hold {limit} bytes of parameters, questions, answers and "
            "results, over all clients, including those that have ended and can still be read ({setting}). "
            "Wait until earlier ones expire.",
            Conf.max_task_bytes,
            60,
        )


class TaskBytes(HeldBytes):
    """Limits what the tasks of each person hold to `MCP_MAX_TASK_BYTES`."""

    # KEYS: record.
    script = """
local held = 0
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do held = held + redis.call('HSTRLEN', KEYS[1], name) end
return held
"""

    @property
    def limit(self) -> int:
        return conf.max_task_bytes

    def refusal(self) -> QuotaExceeded:
        return TasksTooLarge()

    def index_of(self, person: str) -> str:
        return keys.index(person)

    def keys_of(self, item: str) -> Sequence[str]:
        return [keys.record(item)]
