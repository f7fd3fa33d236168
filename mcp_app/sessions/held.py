"""The bytes that the sessions of one person hold in Redis, over all processes."""

from __future__ import annotations

from mcp_app.conf import Conf, conf
from mcp_app.coordination.held import Holding
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.sessions import keys

# What a session holds, in bytes. KEYS: record, tails, calls, data.
_HELD = """
local record, tails, calls, data = unpack(KEYS)
local held = redis.call('HSTRLEN', record, 'client_params')
local function add(size) held = held + (size or 0) end
add(redis.call('HGET', record, 'subscribed_bytes'))
add(redis.call('HGET', tails, 'bytes'))
add(redis.call('HGET', tails, 'pending'))
add(redis.call('HGET', data, ''))
for _, stream in ipairs(redis.call('HKEYS', calls)) do add(redis.call('HSTRLEN', calls, stream)) end
return held
"""


class TooMuchHeld(QuotaExceeded):
    """The sessions of a person hold the maximum number of bytes."""

    def __init__(self) -> None:
        idle = conf.session_idle_seconds
        super().__init__(
            "Too much data: your sessions may hold {limit} bytes of messages and files, over all clients "
            f"({{setting}}). End some with DELETE; what one holds is deleted after {idle} s without use.",
            Conf.max_held_bytes,
            idle,
        )


SESSIONS = Holding(
    Conf.max_held_bytes,
    TooMuchHeld,
    keys.sessions_of_person,
    lambda session_id: [key(session_id) for key in (keys.record, keys.tails, keys.calls, keys.data)],
    _HELD,
)
