"""docs/clients.md is what the description and the last results of tests/clients say."""

from __future__ import annotations

from tests.clients import catalogue, page

CLIENTS = catalogue.load()
RESULTS = page.load()
RUN = [client for client in CLIENTS if client.driver]


def test_the_page_is_written_from_the_description_and_the_results() -> None:
    assert page.PAGE.read_text() == page.page(CLIENTS, RESULTS), "run python -m tests.clients"


def test_every_client_that_can_be_run_was_run_at_the_version_that_is_described() -> None:
    for client in RUN:
        assert set(RESULTS[client.name]) == {mode.name for mode in client.modes}, client.name
        assert {found["version"] for found in RESULTS[client.name].values()} == {client.version}


def test_the_results_are_those_that_are_expected() -> None:
    for client in RUN:
        for mode in client.modes:
            found = RESULTS[client.name][mode.name]
            assert set(found["passed"]) == set(mode.passes), (client.name, mode.name)
            assert set(found["failed"]) == set(mode.fails), (client.name, mode.name)
            assert not found["error"], (client.name, mode.name)
