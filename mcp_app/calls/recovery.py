"""Recovery of calls whose process died, triggered by reading their streams.

A call is re-run if that is safe; otherwise its response is an error. Either happens once.
"""

from __future__ import annotations

import json
import logging
import math
from contextlib import suppress
from dataclasses import replace

from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCRequest, RequestId

from mcp_app.calls.registry import Registration, UnreadableCall
from mcp_app.calls.running import RunningCalls
from mcp_app.exceptions import Unreadable, reading
from mcp_app.ids import short_id
from mcp_app.observers import LOST, AnswerFacts
from mcp_app.protocol.facts import facts_of
from mcp_app.protocol.repeatable import MayRepeat
from mcp_app.protocol.serve import Outcome
from mcp_app.protocol.words import shortened
from mcp_app.sdk import progress_token_from_params
from mcp_app.sessions.events import START, shown
from mcp_app.sessions.record import SessionRecord

logger = logging.getLogger(__name__)

WORKER_LOST = "The process that ran this call stopped or died before it could answer; it was not repeated."

_PROGRESS = "notifications/progress"

_MAX_LOSSES = 3
"""After this many crashes a call is not re-run: it may be what crashes the processes."""


class Recovery:
    """Recovers calls whose process died."""

    def __init__(self, calls: RunningCalls, may_repeat: MayRepeat) -> None:
        self._calls = calls
        self._registry = calls.backend.registry
        self._log = calls.backend.streams.log
        self._may_repeat = may_repeat

    async def recover_if_lost(self, record: SessionRecord, stream: str) -> bool:
        """Whether the call behind a stream is running, after recovering it if its process died.

        Called by readers of the stream, with the session's principal as the current one.
        """
        try:
            registered = await self._registry.find(record.id, stream)
        except UnreadableCall as error:
            return await self._give_up(record, stream, error)
        if registered is None:
            return False
        if (own := self._calls.of_stream(record.id, stream)) is not None:
            await own.renew_lease()
            return True
        if not (registered.is_handed_over or self._registry.leases.can_detect_death):
            return True
        if not await self._registry.take_over(registered):
            return await self._registry.is_running(record.id, stream)
        activity = self._calls.activity
        if activity.watched:
            fields = {"session": record.id, "person": record.person_key, "call": shown(stream)}
            activity.note("call.expired", **fields, of=registered.holder)
        lost = replace(registered, losses=registered.losses + 1, is_handed_over=False)
        request = lost.request
        facts = {
            "session": short_id(record.id),
            "method": shortened(request.method),
            "call": shortened(request.id) if isinstance(request.id, str) else request.id,
        }
        may_repeat = lost.is_complete and lost.losses < _MAX_LOSSES
        if may_repeat and await self._may_repeat(request.method, request.params):
            logger.warning("re-running a call whose process died", extra=facts)
            progress = await self._last_progress(lost)
            await self._calls.restart(record, lost, progress).run_registered()
        else:
            logger.warning("giving up a call whose process died", extra=facts)
            await self._settle(lost, record, _worker_lost(request.id))
        return True

    async def _give_up(self, record: SessionRecord, stream: str, reason: UnreadableCall) -> bool:
        """End a call that cannot be read, if its process died. Returns whether it is running."""
        request = JSONRPCRequest(jsonrpc="2.0", id=reason.request_id or 0, method="unknown")
        lost = Registration(record.id, stream, request)
        if self._registry.leases.can_detect_death and await self._registry.take_over(lost):
            logger.warning(
                "giving up a call that cannot be read",
                extra={"session": short_id(record.id), "reason": str(reason)},
            )
            response = None if reason.request_id is None else _worker_lost(reason.request_id)
            await self._settle(lost, record, response)
        return await self._registry.is_running(record.id, stream)

    async def _settle(self, lost: Registration, record: SessionRecord, response: bytes | None) -> None:
        """End a call that is given up, and tell observers."""
        observers, request = self._calls.backend.observers, lost.request
        facts = facts_of(
            request.method,
            request.params,
            kind="session",
            session=record.id,
            revision=record.protocol_version,
            request_id=request.id,
        )
        answered = AnswerFacts("lost", 0.0, lost.losses + 1, INTERNAL_ERROR)
        await self._registry.write(
            lost,
            response,
            is_first=True,
            is_final=True,
            before=lambda: observers.tell_now("answered", facts, answered),
        )
        observers.tell("call_recovered", facts)
        observers.tell("call_finished", facts, LOST)

    async def _last_progress(self, call: Registration) -> float:
        """The last progress on the stream of a call."""
        last, position = -math.inf, START
        if progress_token_from_params(call.request.params) is None:
            return last
        has_more = True
        while has_more:
            entries, has_more = await self._log.page(call.session_id, position, [call.stream])
            for position, fields in entries:  # noqa: B007 - the next page follows the last one
                with suppress(Unreadable), reading():
                    message = json.loads(fields["data"]) if _PROGRESS in fields["data"] else {}
                    if message.get("method") == _PROGRESS:
                        last = float(message["params"]["progress"])
        return last


def _worker_lost(request_id: RequestId) -> bytes:
    error = ErrorData(code=INTERNAL_ERROR, message=WORKER_LOST, data={"reason": "worker_lost"})
    return Outcome.failed(error).response(request_id)
