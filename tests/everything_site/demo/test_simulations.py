"""The simulated notifications are due at the right times, however time is divided."""

import random
from itertools import pairwise

import pytest

from everything_site.demo.simulations import LEVELS, UPDATES_AT_ONCE, due

UPDATED = "notifications/resources/updated"
MESSAGE = "notifications/message"
STDERR = "notifications/stderr"


def methods(found):
    return [method for method, _ in found]


def test_nothing_falls_due_at_the_start():
    assert due(0, 0, ["test://a"], random.Random(1)) == []
    assert due(0, 9.99, ["test://a"], random.Random(1)) == []


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (10, [UPDATED]),
        (20, [UPDATED, MESSAGE]),
        (30, [UPDATED, STDERR]),
        (60, [UPDATED, MESSAGE, STDERR]),
    ],
)
def test_each_kind_has_its_interval(moment, expected):
    assert methods(due(moment - 1, moment, ["test://a"], random.Random(1))) == expected


def test_a_minute_has_six_updates_a_resource_three_messages_and_two_stderr_lines():
    found = methods(due(0, 60, ["test://a", "test://b"], random.Random(1)))
    assert (found.count(UPDATED), found.count(MESSAGE), found.count(STDERR)) == (12, 3, 2)


def test_the_interval_is_open_at_its_start_and_closed_at_its_end():
    assert methods(due(10, 19.9, ["test://a"], random.Random(1))) == []
    assert methods(due(9.9, 10, ["test://a"], random.Random(1))) == [UPDATED]


def test_the_result_does_not_depend_on_how_time_is_divided():
    whole = due(0, 120, ["test://a"], random.Random(7))
    rng, cuts = random.Random(7), [0, 3.5, 10, 10.1, 29.99, 30, 61, 95, 120]
    pieces = [found for start, end in pairwise(cuts) for found in due(start, end, ["test://a"], rng)]
    assert pieces == whole


def test_every_subscribed_resource_is_updated():
    found = due(0, 10, {"test://b", "test://a"}, random.Random(1))
    assert found == [(UPDATED, {"uri": "test://a"}), (UPDATED, {"uri": "test://b"})]


def test_of_many_subscribed_resources_a_few_are_updated_at_a_time_and_all_in_turn():
    uris = [f"test://{number}" for number in range(2 * UPDATES_AT_ONCE + 3)]
    rounds = [due(moment - 1, moment, uris, random.Random(1)) for moment in (10, 20, 30)]
    updated = [[params["uri"] for method, params in found if method == UPDATED] for found in rounds]
    assert [len(set(each)) for each in updated] == [UPDATES_AT_ONCE] * 3
    assert {uri for each in updated for uri in each} == set(uris)


def test_without_subscriptions_nothing_is_updated():
    assert UPDATED not in methods(due(0, 60, [], random.Random(1)))


def test_messages_come_with_each_of_the_eight_levels():
    found = [params for method, params in due(0, 4000, [], random.Random(1)) if method == MESSAGE]
    assert {params["level"] for params in found} == set(LEVELS)
    assert all(params["data"].lower().startswith(params["level"]) for params in found)


def test_whatever_is_simulated_says_so():
    found = [params for method, params in due(0, 4000, [], random.Random(1)) if method != UPDATED]
    assert all("simulated" in (params.get("data") or params["content"]) for params in found)
    assert {params.get("logger") for params in found if "data" in params} == {"simulation"}


def test_a_stderr_line_has_its_time():
    lines = [params["content"] for method, params in due(0, 3630, [], random.Random(1)) if method == STDERR]
    assert lines[0] == "00:00:30: A stderr message (simulated)"
    assert lines[-1] == "01:00:30: A stderr message (simulated)"
