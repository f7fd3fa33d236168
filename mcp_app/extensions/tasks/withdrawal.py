"""Cancelling tasks whose consent was withdrawn: they may outlive tokens, but not the consent."""

from __future__ import annotations

from collections.abc import Sequence

from asgiref.sync import async_to_sync

from mcp_app.coordination.leases import Leases
from mcp_app.coordination.outside import connected, only_logged
from mcp_app.extensions.tasks.store import TaskStore


def cancel_tasks(grants: Sequence[str]) -> None:
    """Cancel the tasks of these consents, from anywhere: no server needs to run.

    If Redis cannot be reached, that is logged, and not retried.

    Args:
        grants: The consents, as in the claim `grant` of tokens.
    """
    if grants:
        async_to_sync(_cancel)(grants)


async def _cancel(grants: Sequence[str]) -> None:
    with only_logged("tasks of a withdrawn consent may run on: Redis unavailable at %s"):
        async with connected() as (redis, directory):
            await TaskStore(redis, directory, Leases(redis)).cancel_by_grant(*grants)
