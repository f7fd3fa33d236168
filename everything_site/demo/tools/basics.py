"""The two smallest tools: echo and add."""

import operator
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import (
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    Strict,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from everything_site.demo.tools.results import text_result

# Pure functions of the arguments, without side effects.
PURE = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

# JSON numbers: no strings, booleans, NaN or infinity.
Number = Annotated[float, Strict(), AllowInfNan(False)]
Boolean = Annotated[bool, Strict()]


def _to_integer(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # Pydantic accepts only 64 bits from a float
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("int_type", "must be an integer")
    return value


# For `int`, last in the annotation. `Strict` would reject 7.0, which is an integer in JSON Schema.
INTEGER = BeforeValidator(_to_integer)


def _keep_integer(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    if type(value) is not int:
        return validate(value)
    if abs(value) > sys.float_info.max:
        raise PydanticCustomError("finite_number", "must be a finite number")
    return value


def _as_it_is(value: int | float) -> int | float:
    return value


ExactNumber = Annotated[Number, WrapValidator(_keep_integer), PlainSerializer(_as_it_is)]
"""A number with exact integers, where a double has 53 bits. Integers beyond the range of a double are
rejected, as `1e400` is: JavaScript clients read both as infinity."""


def calculate(operation: Callable[[Any, Any], Any], a: float, b: float) -> float:
    """Apply an operation to two JSON numbers: exact for integers, else rounded to the nearest double.

    Raises:
        OverflowError: The result is beyond the range of a double, or an operand is infinite.
        ValueError: An operand is not a number.
    """
    if isinstance(a, int) and isinstance(b, int):
        result = operation(a, b)
    else:
        result = float(operation(Fraction(a), Fraction(b)))
    if abs(result) > sys.float_info.max:
        raise OverflowError("beyond the range of a double")
    return result


def plain(number: float) -> str:
    """Format a number as JavaScript does (ECMA-262, Number::toString); integers with all digits."""
    if isinstance(number, int):
        return str(number)
    if number == 0:
        return "0"
    digits = Decimal(repr(number))
    if 1e-6 <= abs(number) < 1e21:
        text = format(digits, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{digits.normalize():e}".partition("e")
    return f"{mantissa}e{int(exponent):+d}"


class Echo(BaseModel):
    """What was echoed."""

    message: str = Field(description="The message")


class Sum(BaseModel):
    """The sum of two numbers."""

    sum: ExactNumber = Field(description="The sum; of integers, with all digits")


async def echo(
    message: Annotated[str, Field(description="Message to echo")],
) -> Annotated[CallToolResult, Echo]:
    return text_result(f"Echo: {message}", Echo(message=message))


async def add(
    a: Annotated[ExactNumber, Field(title="First number", description="First number")],
    b: Annotated[ExactNumber, Field(title="Second number", description="Second number")],
) -> Annotated[CallToolResult, Sum]:
    try:
        total = calculate(operator.add, a, b)
    except OverflowError:
        raise ToolError("the sum is too large for a JSON number") from None
    return text_result(f"The sum of {plain(a)} and {plain(b)} is {plain(total)}.", Sum(sum=total))


def register(server: MCPServer) -> None:
    server.add_tool(echo, title="Echo", description="Echoes back the input", annotations=PURE)
    server.add_tool(
        add,
        title="Add two numbers",
        description="Adds two numbers",
        annotations=PURE,
    )
