"""docs/redis.md matches what a busy server stores in Redis."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mcp_app.conf import conf
from tests.docs.conftest import Busy
from tests.docs.markdown import DOCS, code, rows

_PLACES = re.compile(r"SESSION|STREAM|REQUEST|PROCESS|TASK|GRANT|OWNER|PERSON|USER|TOKEN|NAME")


def pattern(documented: str) -> re.Pattern[str]:
    """A documented name, with capitals for variable parts, as a regular expression."""
    [name] = code(documented)
    return re.compile(_PLACES.sub(r"[^{}:]+", re.escape(name)).replace("…", ".+"))


def seconds(rule: str) -> float:
    """The longest time that a rule allows: of a setting, a multiple of one, or so many seconds."""
    if plain := re.match(r"(\d+) s\b", rule):
        return float(plain[1])
    times = re.match(r"(\d+) \u00d7 ", rule)
    values = [getattr(conf, name.removeprefix("MCP_").lower()) for name in code(rule)]
    return max(values) * (int(times[1]) if times else 1)


async def test_every_key_is_documented_with_its_type_and_expiry(busy: Busy) -> None:
    documented = [(pattern(row["Key"]), row) for row in rows("redis.md", "Key", "Type")]
    seen = set()
    for key in busy.redis.scan_iter():
        matching = [row for name, row in documented if name.fullmatch(key)]
        assert len(matching) == 1, key
        [row] = matching
        seen.add(row["Key"])
        kind, remaining = busy.redis.type(key), busy.redis.ttl(key)
        if remaining == -2:
            continue  # it has expired since it was found
        assert kind == {"sorted set": "zset"}.get(row["Type"], row["Type"]), key
        allowed = seconds(row["Expires after"])
        assert 0 <= remaining <= allowed + 1, (key, remaining)
        assert remaining >= allowed / 3 or allowed < 10, (key, remaining)
    assert {row["Key"] for _, row in documented} - seen == set(), "documented, and not met"


def test_every_name_in_the_code_is_documented() -> None:
    """The shape of each key, with `{}` for the part with the slot and `X` for other variable parts."""
    documented = {
        re.sub(r"[A-Z]+", "X", re.sub(r"{\w+}", "{}", code(row["Key"])[0]))
        for row in rows("redis.md", "Key", "Type")
    }
    written = set()
    for path in (DOCS.parent / "mcp_app").rglob("*.py"):
        for name in re.findall(r'"((?:mcp|session):[^"*\s]+)"', path.read_text()):
            slot = re.sub(r"{{{.*?}}}|{readiness}", "{}", name)
            written.add(re.sub(r"{\w+}", "X", slot))
    assert written == {name for name in documented if not name.startswith("oauth:")}


@pytest.fixture
def prefix(settings: Any) -> str:
    settings.MCP_REDIS_PREFIX = "shop-1:"
    return "shop-1:"


@pytest.mark.parametrize("own_redis", ["alone"], indirect=True)
async def test_every_key_and_channel_of_the_engine_starts_with_its_prefix(prefix: str, busy: Busy) -> None:
    names = [*busy.redis.scan_iter(), *busy.redis.pubsub_channels()]
    assert len(names) > len(rows("redis.md", "Key", "Type"))
    others = [name for name in names if not str(name).startswith(prefix)]
    assert all(str(name).startswith("oauth:limits") for name in others), others


@pytest.mark.parametrize("own_redis", ["alone"], indirect=True)
async def test_every_channel_is_documented(busy: Busy) -> None:
    documented = {row["Channel"]: pattern(row["Channel"]) for row in rows("redis.md", "Channel")}
    channels = [str(channel) for channel in busy.redis.pubsub_channels()]
    for channel in channels:
        assert [name for name, known in documented.items() if known.fullmatch(channel)], channel
    for name, known in documented.items():
        assert any(known.fullmatch(channel) for channel in channels), name
