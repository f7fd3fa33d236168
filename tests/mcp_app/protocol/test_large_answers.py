"""An answer with many values, or many faults, is rejected without looking at each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult

from mcp_app.asking import UnfitAnswer
from mcp_app.protocol.answers import MAX_INPUTS, checked, form_problems
from mcp_app.protocol.schema_messages import problems
from mcp_app.protocol.validation_messages import MAX_FAULTS, MAX_REASONS

FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"chosen": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}},
}
ASKED = ElicitRequest(params=ElicitRequestFormParams(message="Choose", requested_schema=FORM))


class Watched(list[str]):
    """A list that counts the items that are looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        for item in super().__iter__():
            self.looked_at += 1
            yield item


@pytest.mark.parametrize(
    "content", [{"chosen": ["a"] * (MAX_INPUTS + 1)}, {f"key-{n}": 1 for n in range(MAX_INPUTS + 1)}]
)
def test_a_form_with_far_too_many_values_is_not_validated(content: Any) -> None:
    answer = ElicitResult(action="accept", content=content)
    assert form_problems(ASKED, answer) == f"there are more than {MAX_INPUTS} values"
    with pytest.raises(UnfitAnswer, match="does not match the form"):
        checked(ASKED, answer)


def test_a_form_may_have_as_many_values_as_people_enter() -> None:
    answer = ElicitResult(action="accept", content={"chosen": ["a"] * MAX_INPUTS})
    assert form_problems(ASKED, answer) == ""


def test_validation_ends_when_enough_faults_are_found() -> None:
    values = Watched(["c"] * 10 * MAX_FAULTS)
    schema = {"items": {"enum": ["a", "b"]}}
    assert problems(schema, values).endswith(f"and {MAX_FAULTS - MAX_REASONS} more")
    assert values.looked_at <= MAX_FAULTS + 1


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("email", "a@{}"),
        ("uri", "https://{}"),
        ("date-time", "2026-07-28T12:00:00.{}Z"),
        ("date", "{}"),
    ],
)
def test_a_text_that_is_far_too_long_for_its_format_is_not_matched(kind: str, text: str) -> None:
    for length in (10, 100_000):
        fits = problems({"type": "string", "format": kind}, text.format("1" * length)) == ""
        assert fits is (length == 10 and kind != "date")
