"""The bytes that the tasks of one person hold in Redis, over all processes."""

from __future__ import annotations

from mcp_app.conf import Conf
from mcp_app.coordination.held import Holding
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.extensions.tasks import keys

# What a task holds, in bytes. KEYS: record.
_HELD = """
local held = 0
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do held = held + redis.call('HSTRLEN', KEYS[1], name) end
return held
"""


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


TASKS = Holding(
    Conf.max_task_bytes,
    TasksTooLarge,
    keys.index,
    lambda task_id: [keys.record(task_id)],
    _HELD,
)
