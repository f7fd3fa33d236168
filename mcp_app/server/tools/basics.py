"""The two smallest tools: echo and add."""

import math
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import AllowInfNan, BeforeValidator, Field, Strict

# These compute from their arguments alone: nothing changes and nothing outside is reached.
PURE = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

# Numbers of JSON: no strings, no booleans, and neither NaN nor infinity, which JSON does not have.
Number = Annotated[float, Strict(), AllowInfNan(False)]
Boolean = Annotated[bool, Strict()]


def _is_a_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be a number")
    return value


# For `int`, the last in its annotation. `Strict` would refuse 7.0, which is an integer in JSON Schema.
INTEGER = BeforeValidator(_is_a_number)


def plain(number: float) -> str:
    """A number as JSON and JavaScript write it: whole numbers without a fraction."""
    return str(int(number)) if number.is_integer() and abs(number) < 1e21 else repr(number)


async def echo(message: Annotated[str, Field(description="Message to echo")]) -> str:
    return f"Echo: {message}"


async def add(
    a: Annotated[Number, Field(description="First number")],
    b: Annotated[Number, Field(description="Second number")],
) -> str:
    total = a + b
    if not math.isfinite(total):
        raise ToolError("the sum is too large to be written as a number")
    return f"The sum of {plain(a)} and {plain(b)} is {plain(total)}."


def register(server: MCPServer) -> None:
    server.add_tool(
        echo, title="Echo", description="Echoes back the input", annotations=PURE, structured_output=False
    )
    server.add_tool(
        add,
        title="Add two numbers",
        description="Adds two numbers",
        annotations=PURE,
        structured_output=False,
    )
