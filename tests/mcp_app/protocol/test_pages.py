"""Cursors: where a page ended, and what follows, even if the list has changed since."""

import base64
from functools import partial

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from mcp_app.protocol.pages import MAX_CURSOR_LENGTH, page, page_of_sections
from mcp_app.protocol.personal import Person, PersonalResources


def test_a_list_that_fits_has_no_next_page():
    assert page(range(10), None, 10, "x", str) == (list(range(10)), None)
    assert page((), None, 10, "x", str) == ([], None)


def test_a_cursor_fetches_the_rest():
    first, cursor = page(range(15), None, 10, "x", str)
    assert page(range(15), cursor, 10, "x", str) == (list(range(10, 15)), None)
    assert first == list(range(10))


@pytest.mark.parametrize("gone", [[3], [0, 1, 2], [9]], ids=["within", "the first", "after"])
def test_changes_before_a_cursor_do_not_shift_the_next_page(gone):
    first, cursor = page(range(9), None, 5, "x", str)
    left = [item for item in range(9) if item not in gone]
    assert page([-1, *left], cursor, 5, "x", str) == ([5, 6, 7, 8], None)
    assert first == [0, 1, 2, 3, 4]


def test_a_cursor_of_an_item_that_is_no_longer_in_a_fixed_list_is_invalid():
    _, cursor = page(range(11), None, 10, "x", str)
    with pytest.raises(MCPError) as caught:
        page(range(9), cursor, 10, "x", str)
    assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize(
    "text",
    [
        '["x", 1, "0"]',
        '["x", -1, "0"]',
        '["x", 0, "nope"]',
        '["y", 0, "0"]',
        '["x", 0]',
        "[" * 40_000,
        "1" * 5_000,
        f'["x", 0,{" " * MAX_CURSOR_LENGTH}"4"]',
    ],
    ids=["no such section", "no section", "no such item", "another list", "short", "deep", "long", "longer"],
)
def test_a_cursor_that_is_from_no_page_is_invalid(text):
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    with pytest.raises(MCPError) as caught:
        page(range(9), cursor, 5, "x", str)
    assert caught.value.code == INVALID_PARAMS


FIXED = [("b", "b"), ("a", "a")]
PERSON = Person("https://auth.example", "alice")


class Numbers(PersonalResources):
    """Resources that come and go."""

    def __init__(self, *numbers):
        self.numbers = numbers

    async def list(self, person):
        return [(f"{number:03}", number) for number in self.numbers]


async def page_with(numbers, cursor):
    """A page of a list of two fixed items, and of these numbers."""
    return await page_of_sections(FIXED, [partial(Numbers(*numbers).page, PERSON)], cursor, 5, "x")


@pytest.mark.parametrize(
    ("left", "rest"),
    [
        ((0, 1, 2, 3, 4, 5), [3, 4, 5]),
        ((1, 2, 3, 4, 5), [3, 4, 5]),
        ((0, 1, 3, 4, 5), [3, 4, 5]),  # the item itself that the cursor names
        ((3, 4), [3, 4]),
        ((0, 1), []),
        ((), []),
        ((5, 6, 7), [5, 6, 7]),
    ],
)
async def test_while_items_are_deleted_each_remaining_one_is_on_one_page(left, rest):
    first, cursor = await page_with((0, 1, 2, 3, 4, 5), None)
    assert first == ["b", "a", 0, 1, 2]
    assert await page_with(left, cursor) == (rest, None)


async def test_sections_are_asked_for_no_more_than_fits():
    asked = []

    async def section(after, most):
        asked.append((after, most))
        return [(str(number), number) for number in range(int(after or -1) + 1, 9)][:most]

    async def unwanted(after, most):
        raise AssertionError("the page is full")

    first, cursor = await page_of_sections(FIXED, [section, unwanted], None, 5, "x")
    assert first == ["b", "a", 0, 1, 2]
    assert asked == [(None, 4)]
    second, _ = await page_of_sections(FIXED, [section, unwanted], cursor, 5, "x")
    assert [str(item) for item in second] == ["3", "4", "5", "6", "7"]
    assert asked[1:] == [("2", 6)]


async def test_what_a_section_does_not_take_for_a_key_is_an_invalid_cursor():
    async def section(after, most):
        raise ValueError(after)

    cursor = base64.urlsafe_b64encode(b'["x", 1, "?"]').decode()
    with pytest.raises(MCPError, match="Invalid cursor; start again without one"):
        await page_of_sections(FIXED, [section], cursor, 5, "x")
