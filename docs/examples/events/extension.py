from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx2
from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone
from mcp.server import ServerRequestContext
from mcp.server.extension import MethodBinding
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, PaginatedRequestParams, RequestParams
from pydantic import BaseModel, Field

from events import webhooks
from events.models import MAX_ATTEMPTS, Delivery, Subscription
from mcp_app import notify
from mcp_app.access import aget_user
from mcp_app.server import Extension

IDENTIFIER = "io.modelcontextprotocol/events"
NOT_FOUND, RESOURCE_EXHAUSTED, UNSUPPORTED = -32023, -32025, -32026

EMITTED = "events.emitted"
LIFETIME = timedelta(hours=1)
MAX_SUBSCRIPTIONS = 20
POLL_SECONDS = 5.0

Context = ServerRequestContext[Any, Any]


class Webhook(BaseModel):
    mode: str = "webhook"
    url: str = Field(max_length=500)
    secret: str = ""


class SubscribeParams(RequestParams):
    name: str
    delivery: Webhook


class Events(Extension):
    """Events that clients subscribe to with a webhook (SEP-3415).

    Args:
        types: The kinds of events: name, description and JSON Schema of the payload.
    """

    identifier = IDENTIFIER

    def __init__(self, types: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        self._types = {name: (description, schema) for name, description, schema in types}
        self._delivering = 0

    def methods(self) -> Sequence[MethodBinding]:
        modern = frozenset({"2026-07-28"})
        return [
            MethodBinding("events/list", PaginatedRequestParams, self._list, modern),
            MethodBinding("events/subscribe", SubscribeParams, self._subscribe, modern),
            MethodBinding("events/unsubscribe", SubscribeParams, self._unsubscribe, modern),
        ]

    async def _list(self, ctx: Context, params: BaseModel) -> dict[str, Any]:
        return {
            "resultType": "complete",
            "events": [
                {
                    "name": name,
                    "description": description,
                    "delivery": ["webhook"],
                    "inputSchema": {"type": "object"},
                    "payloadSchema": schema,
                }
                for name, (description, schema) in self._types.items()
            ],
        }

    async def _subscribe(self, ctx: Context, params: SubscribeParams) -> dict[str, Any]:
        hook, user = params.delivery, await aget_user()
        if params.name not in self._types:
            raise MCPError(NOT_FOUND, f"Unknown event: {params.name}", {"kind": "event"})
        if hook.mode != "webhook":
            wrong = {"feature": "deliveryMode", "value": hook.mode}
            raise MCPError(UNSUPPORTED, "Events are delivered by webhook only", wrong)
        if not webhooks.is_allowed(hook.url):
            raise MCPError(INVALID_PARAMS, "This server delivers to known origins only")
        try:
            webhooks.key_of(hook.secret)
        except ValueError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from error
        public_id = Subscription.id_of(user, params.name, hook.url)
        await Subscription.objects.filter(refresh_before__lte=timezone.now()).adelete()
        others = Subscription.objects.filter(owner=user)
        if await others.exclude(public_id=public_id).acount() >= MAX_SUBSCRIPTIONS:
            raise MCPError(RESOURCE_EXHAUSTED, "Too many subscriptions", {"limit": "subscriptions"})
        row, _ = await Subscription.objects.aupdate_or_create(
            public_id=public_id,
            defaults={"secret": hook.secret, "refresh_before": timezone.now() + LIFETIME},
            create_defaults={
                "owner": user,
                "name": params.name,
                "url": hook.url,
                "secret": hook.secret,
                "refresh_before": timezone.now() + LIFETIME,
            },
        )
        return {
            "resultType": "complete",
            "id": row.public_id,
            "refreshBefore": row.refresh_before.isoformat(),
            "cursor": None,
            "truncated": False,
        }

    async def _unsubscribe(self, ctx: Context, params: SubscribeParams) -> dict[str, Any]:
        public_id = Subscription.id_of(await aget_user(), params.name, params.delivery.url)
        await Subscription.objects.filter(public_id=public_id).adelete()
        return {"resultType": "complete"}

    def __len__(self) -> int:
        """A process that is asked to end first finishes its delivery."""
        return self._delivering

    async def run(self) -> None:
        """Deliver, from the start of this process to its end."""
        async with httpx2.AsyncClient(timeout=5.0) as client:
            with self.engine.bus.listen(EMITTED) as emitted:
                while not self.engine.is_draining:
                    async for delivery in Delivery.objects.due():
                        if not self.engine.is_draining:
                            await self._deliver(client, delivery)
                    await emitted.wait(POLL_SECONDS)  # a lost wake-up costs so long

    async def _deliver(self, client: httpx2.AsyncClient, delivery: Delivery) -> None:
        async with self.engine.leases.try_hold(f"delivery:{delivery.pk}") as lease:
            if lease is None:
                return  # another process is at it
            # It may have been delivered since it was read.
            ours = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, fence__lt=lease.token)
            if not await ours.aupdate(fence=lease.token):
                return
            self._delivering += 1
            try:
                status = await webhooks.post(client, delivery)
            finally:
                self._delivering -= 1
            # Not if this process stood still meanwhile, and another has taken over.
            still_ours = Delivery.objects.filter(pk=delivery.pk, fence=lease.token)
            is_accepted = status is not None and 200 <= status < 300
            attempts = delivery.attempts + 1
            if is_accepted or status in webhooks.NO_RETRY or attempts >= MAX_ATTEMPTS:
                await still_ours.adelete()
            else:
                await still_ours.aupdate(attempts=attempts, due_at=timezone.now() + delivery.pause())


def emit(user: Any, name: str, payload: Mapping[str, Any]) -> None:
    """Tell a user's subscribers of an event: from a view, a signal, a command, in any process."""
    with transaction.atomic():
        subscriptions = Subscription.objects.filter(owner=user, name=name, refresh_before__gt=timezone.now())
        Delivery.objects.bulk_create(
            Delivery(subscription=subscription, payload=payload) for subscription in subscriptions
        )
        notify.publish(EMITTED, {"name": name})  # after the commit


async def aemit(user: Any, name: str, payload: Mapping[str, Any]) -> None:
    """`emit`, for coroutines, such as tools."""
    await sync_to_async(emit)(user, name, payload)
