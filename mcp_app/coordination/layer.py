"""The channel layer of the engine, over which processes reach each other.

It is the engine's own: a project's layer may be of another kind, or of another Redis, and reconnecting drops
everything that a layer has subscribed to.
"""

from __future__ import annotations

from functools import lru_cache

from channels_redis.pubsub import RedisPubSubChannelLayer

from mcp_app.conf import conf
from mcp_app.coordination.keys import prefixed


def channel_layer() -> RedisPubSubChannelLayer:
    """The channel layer of this process, on the Redis of `MCP_REDIS_URL`.

    Pub/sub wakes faster than the list-based layer. What it loses is caught up from the event log.
    """
    return _on(conf.redis_url, prefixed("mcp"))


@lru_cache(maxsize=8)
def _on(url: str, prefix: str) -> RedisPubSubChannelLayer:
    return RedisPubSubChannelLayer(hosts=[url], prefix=prefix)
