"""What a schema's validator cannot compute is a fault of the value, and no crash."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from mcp_app.protocol.schema_messages import problems

PRICE: dict[str, Any] = {"type": "object", "properties": {"price": {"type": "number", "multipleOf": 0.25}}}
TREE: dict[str, Any] = {
    "$defs": {"tree": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/tree"}}, {"type": "integer"}]}},
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/tree"}},
}


@pytest.mark.parametrize("price", [10**400, math.inf, -math.inf], ids=["an integer", "inf", "-inf"])
def test_a_number_that_is_too_large_to_be_divided_is_invalid(price: float) -> None:
    assert problems(PRICE, {"price": 0.5}) == ""
    assert problems(PRICE, {"price": price}) == "a number is too large"


def test_a_value_that_is_nested_too_deeply_to_be_looked_at_is_invalid() -> None:
    root: Any = 1
    for _ in range(sys.getrecursionlimit()):
        root = [root]
    assert problems(TREE, {"root": [[1]]}) == ""
    assert problems(TREE, {"root": root}) == "it is nested too deeply"
