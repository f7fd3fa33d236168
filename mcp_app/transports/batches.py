"""JSON-RPC batches, which 2025-03-26 has and no other revision (Streamable HTTP, Sending Messages).

The answer to a batch with requests is always an event stream: every call of the batch is a stream of its
own in the log, as ever, and one response carries them all until each has been answered.
"""

from __future__ import annotations

from typing import Any

from mcp_types import JSONRPCRequest

from mcp_app.transports import errors
from mcp_app.transports.messages import Message, as_message

REVISION = "2025-03-26"
MAX_MESSAGES = 100


def as_batch(decoded: list[Any]) -> list[Message]:
    """The messages of a batch.

    Raises:
        HttpError: It is empty or too long, or has something in it that is no message or may not be there.
    """
    if not decoded:
        raise errors.not_a_message("a batch must not be empty.")
    if len(decoded) > MAX_MESSAGES:
        raise errors.not_a_message(f"a batch may have {MAX_MESSAGES} messages at the most.")
    messages = [as_message(item) for item in decoded]
    if any(isinstance(message, JSONRPCRequest) and message.method == "initialize" for message in messages):
        raise errors.not_a_message("`initialize` must not be part of a batch.")
    return messages
