"""Readable messages for JSON Schema errors, in the same style as `validation_messages`.

Form input is validated against the schema that was sent to the client (client/elicitation, "Security
Considerations"). Formats are implemented here: `jsonschema` does not check them by default, and some only
with further packages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from mcp_app.protocol.validation_messages import MAX_FAULTS, as_line, join, subject_of
from mcp_app.protocol.words import plural

_FORMATS = FormatChecker(())
"""The formats that a form may use (schema of `StringSchema`)."""

_MAX_LENGTH = 8192
"""The maximum length of a text in a format, in characters: matching millions takes long."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:([A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


@_FORMATS.checks("email")
def is_email(value: object) -> bool:
    """Whether a string is an email address, by the rules of browsers' input fields."""
    return not isinstance(value, str) or _matches(_EMAIL, value)


@_FORMATS.checks("uri")
def is_uri(value: object) -> bool:
    """Whether a string is a URI with a scheme (RFC 3986): ASCII, without spaces."""
    return not isinstance(value, str) or _matches(_URI, value)


@_FORMATS.checks("date", ValueError)
def is_date(value: object) -> bool:
    """Whether a string is a day of the calendar (RFC 3339, `full-date`)."""
    return not isinstance(value, str) or bool(_matches(_DATE, value) and date.fromisoformat(value))


@_FORMATS.checks("date-time", ValueError)
def is_date_time(value: object) -> bool:
    """Whether a string is a moment with its offset (RFC 3339, `date-time`)."""
    return not isinstance(value, str) or bool(
        _matches(_DATE_TIME, value) and datetime.fromisoformat(value.upper())
    )


def _matches(pattern: re.Pattern[str], value: str) -> bool:
    return len(value) <= _MAX_LENGTH and pattern.fullmatch(value) is not None


_FORMAT_NAMES = {
    "email": "an email address",
    "uri": "a URI",
    "date": "a date, as in 2026-07-28",
    "date-time": "a date and time, as in 2026-07-28T12:00:00Z",
}

_TYPE_NAMES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}

_RULES: dict[str, Callable[[Any], str]] = {
    "type": lambda kinds: (
        f"must be {' or '.join(_TYPE_NAMES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))}"
    ),
    "enum": lambda values: f"must be one of {', '.join(map(str, values))}",
    "const": lambda value: f"must be {value}",
    "format": lambda name: f"must be {_FORMAT_NAMES[name]}",
    "minimum": lambda bound: f"must be at least {bound}",
    "maximum": lambda bound: f"must be at most {bound}",
    "exclusiveMinimum": lambda bound: f"must be more than {bound}",
    "exclusiveMaximum": lambda bound: f"must be less than {bound}",
    "minLength": lambda count: f"must have at least {count} {plural('character', count)}",
    "maxLength": lambda count: f"must have at most {count} {plural('character', count)}",
    "minItems": lambda count: f"must have at least {count} {plural('item', count)}",
    "maxItems": lambda count: f"must have at most {count} {plural('item', count)}",
    "uniqueItems": lambda _: "must not have the same item twice",
    "pattern": lambda pattern: f"must match {pattern}",
}
"""The message for a keyword, given its value in the schema. Invalid values are never shown."""


def problems(schema: Mapping[str, Any], value: Any) -> str:
    """The errors of a value, as one line: "`name` is required; `age` must be at least 1".

    Empty if the value is valid. Only the first `MAX_FAULTS` errors are looked for.
    """
    validator = Draft202012Validator(schema, format_checker=_FORMATS)
    try:
        errors = list(islice(validator.iter_errors(value), MAX_FAULTS))
    except OverflowError:  # of a division, for `multipleOf`
        return "a number is too large"
    except RecursionError:
        return "it is nested too deeply"
    return as_line(list(dict.fromkeys(reason for error in errors for reason in _reasons(error))))


def _reasons(error: ValidationError) -> Iterator[str]:
    path = ""
    for step in error.absolute_path:
        path = join(path, step)
    instance: Any = error.instance
    match error.validator:
        case "required":
            for name in error.validator_value:
                if name not in instance:
                    yield f"`{join(path, name)}` is required"
        case "additionalProperties":
            for name in instance:
                if name not in error.schema.get("properties", {}):
                    yield f"`{join(path, name)}` is unknown"
        case "oneOf" | "anyOf" if all("const" in option for option in error.validator_value):
            choices = ", ".join(str(option["const"]) for option in error.validator_value)
            yield f"{subject_of(path)} must be one of {choices}"
        case "anyOf" | "oneOf":
            branches = dict.fromkeys(reason for inner in error.context or () for reason in _reasons(inner))
            yield " or ".join(branches)
        case keyword if isinstance(keyword, str) and keyword in _RULES:
            yield f"{subject_of(path)} {_RULES[keyword](error.validator_value)}"
        case keyword:
            yield f"{subject_of(path)} does not satisfy {keyword}"
