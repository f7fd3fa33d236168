"""Cursors: where a page ended, and what follows, even if the list has changed since."""

import base64

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from mcp_app.protocol.pages import LONGEST_CURSOR, page, page_of_entries


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
        f'["x", 0,{" " * LONGEST_CURSOR}"4"]',
    ],
    ids=["no such section", "no section", "no such item", "another list", "short", "deep", "long", "longer"],
)
def test_a_cursor_that_is_from_no_page_is_invalid(text):
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    with pytest.raises(MCPError) as caught:
        page(range(9), cursor, 5, "x", str)
    assert caught.value.code == INVALID_PARAMS


def entries(*numbers):
    """A list of two fixed items and of some that come and go."""
    return [((0, "b"), "b"), ((0, "a"), "a"), *(((1, f"{n:03}"), n) for n in numbers)]


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
def test_while_items_are_deleted_each_remaining_one_is_on_one_page(left, rest):
    first, cursor = page_of_entries(entries(0, 1, 2, 3, 4, 5), None, 5, "x", 1)
    assert first == ["b", "a", 0, 1, 2]
    assert page_of_entries(entries(*left), cursor, 5, "x", 1) == (rest, None)
