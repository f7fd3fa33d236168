"""The pace at which running calls send messages: progress, log messages, requests to the client."""

from __future__ import annotations

import asyncio

from mcp_app.coordination.allowance import CHARGED_BYTES
from mcp_app.coordination.quotas import Quotas

MESSAGES = 4
"""This many messages count as one more request of their person, however small they are: one costs the server
about a quarter of what a quick call costs."""

PAUSE_SECONDS = 0.25
"""How long each message waits if its person owes requests. With `MCP_MAX_CALLS` running, all of them then
send as many messages as the rate allows by default, so they do not come to owe ever more."""


async def pace_message(quotas: Quotas, person: str) -> None:
    """Count a message of a running call, before it is sent. It waits if its person owes requests.

    Args:
        quotas: The quotas of this process.
        person: Whose call it is (`Person.key`).
    """
    quotas.charge(person, CHARGED_BYTES // MESSAGES)
    if quotas.owes(person):
        await asyncio.sleep(PAUSE_SECONDS)
