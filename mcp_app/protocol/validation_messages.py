"""Readable messages for Pydantic's validation errors.

Pydantic's messages mention Python types, repeat the input and link to its documentation. Clients see these,
so they have the JSON path and the violated rule, but never the value: it may be long, or a secret.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_REASONS = 5
"""Reasons per message; the rest are only counted."""

MAX_FAULTS = 100
"""Errors that are examined. A request may have a million, which would block the process."""

_MAX_STEP_LENGTH = 64
"""How many characters of a key are shown: clients choose keys, too."""

_RULES = {
    "missing": "is required",
    "extra_forbidden": "is unknown",
    "unexpected_keyword_argument": "is not an argument",
    "none_required": "must be null",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be a boolean",
    "bool_parsing": "must be a boolean",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "set_type": "must be an array",
    "frozen_set_type": "must be an array",
    "null_character": "must not contain the character U+0000",
    "url_parsing": "must be a URL",
    "url_type": "must be a URL",
}
"""Rules in terms of JSON, by Pydantic's error type."""

_NAME = re.compile(r"[\w$-]+")
"""Keys that need no quotes in a path."""


def explain(error: ValidationError, given: Any, root: str = "") -> str:
    """What is wrong with a value, as one line: "`ref.name` is required; `argument` must be an object".

    Args:
        error: What Pydantic found.
        given: The validated value, to distinguish keys in locations from branches of unions.
        root: The path of that value, such as `params`.
    """
    if has_too_many(error):
        return f"{error.error_count()} values are invalid, too many to list"
    rules_of: dict[str, list[str]] = {}
    for found in _relevant([_Found.of(item, given, root) for item in error.errors(include_url=False)]):
        rules = rules_of.setdefault(subject_of(found.path), [])
        if found.rule not in rules:
            rules.append(found.rule)
    return as_line([f"{where} {_either(rules)}" for where, rules in rules_of.items()])


def as_line(reasons: list[str]) -> str:
    """The first reasons, and how many more there are."""
    shown = reasons[:MAX_REASONS]
    if more := len(reasons) - len(shown):
        shown.append(f"and {more} more")
    return "; ".join(shown)


def subject_of(path: str) -> str:
    """A JSON path, as the subject of a sentence."""
    return f"`{path}`" if path else "the value"


def has_too_many(error: ValidationError) -> bool:
    """Whether there are more errors than are examined."""
    return error.error_count() > MAX_FAULTS


class _Found(NamedTuple):
    """One error: the path of the value, the rule, and the union branch that it belongs to, if any."""

    path: str
    rule: str
    branch: str
    is_tag: bool
    """Whether the tag of the branch does not match, so that another branch was meant."""
    is_kind: bool
    """Whether the branch is of another JSON type, so that one of this type was meant, if there is one."""

    @classmethod
    def of(cls, item: ErrorDetails, given: Any, root: str) -> Self:
        path, branch, is_inside = root, "", False
        missing = item["loc"][-1] if item["type"] == "missing" else None
        for step in item["loc"]:
            if _has(given, step):
                given = given[step]
            elif step is not missing:
                branch, is_inside = f"{branch}/{path}/{step}", False
                continue
            path, is_inside = join(path, step), bool(branch)
        rule = _rule(item["type"], item["msg"])
        is_tag = is_inside and item["type"] in ("literal_error", "enum")
        is_kind = bool(branch) and not is_inside and item["type"].endswith("_type")
        return cls(path, rule, branch, is_tag, is_kind)


def _has(given: Any, step: int | str) -> bool:
    """Whether a step of a location is a key of the value, not a branch that Pydantic tried."""
    if isinstance(given, list):
        return isinstance(step, int) and step < len(given)
    return isinstance(given, dict) and step in given


def _relevant(found: list[_Found]) -> Iterable[_Found]:
    """The errors in the branch that was meant."""
    branches = {error.branch for error in found if error.branch}
    not_meant = {error.branch for error in found if error.is_tag or error.is_kind}
    is_unclear = not_meant >= branches
    has_tags = any(error.is_tag for error in found)
    for error in found:
        is_relevant = (error.is_tag or not has_tags) if is_unclear else error.branch not in not_meant
        if not error.branch or is_relevant:
            yield error


def join(path: str, step: int | str) -> str:
    """Extend a JSON path by one step."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    if len(step) > _MAX_STEP_LENGTH:
        step = step[:_MAX_STEP_LENGTH] + "…"
    if not _NAME.fullmatch(step):
        return f"{path}[{json.dumps(step)}]"
    return f"{path}.{step}" if path else step


def _rule(kind: str, text: str) -> str:
    """The violated rule, as the end of a sentence about the value."""
    if kind in _RULES:
        return _RULES[kind]
    if kind == "value_error":
        return "is invalid: " + text.removeprefix("Value error, ")
    subject, found, rest = text.partition(" should ")
    return f"must {rest}" if found and " " not in subject else f"is invalid: {text}"


def _either(rules: list[str]) -> str:
    """Alternatives as one rule: "must be a string or an integer"."""
    first, *others = rules
    return " or ".join([first, *(rule.removeprefix("must be ").removeprefix("must ") for rule in others)])
