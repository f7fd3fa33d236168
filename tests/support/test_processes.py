"""The ports on which the servers of tests listen."""

from __future__ import annotations

import pytest

from tests.support.processes import PORTS, free_port, ports_of


@pytest.mark.parametrize("count", [1, 3, 16])
def test_each_worker_has_ports_of_its_own(count: int) -> None:
    ports = [port for worker in range(count) for port in ports_of(worker, count)]
    assert sorted(ports) == list(PORTS)


def test_a_worker_that_replaces_another_one_has_ports() -> None:
    assert len(ports_of(7, 3)) > 1000


def test_a_port_is_not_given_twice_while_its_server_starts() -> None:
    ports = [free_port() for _ in range(500)]
    assert len(set(ports)) == len(ports)
