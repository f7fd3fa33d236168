"""What all tests share: an embedded Redis where TEST_REDIS_URL names none, and two deployments."""

import signal
from collections.abc import Generator, Iterator
from contextlib import nullcontext

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from everything_site import valkey
from tests.support import selection
from tests.support.deployment import Deployment, deployment
from tests.support.run import FOLDER


def pytest_configure() -> None:
    # A shell starts its background jobs with SIGINT ignored, and processes hand that on to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """No worker for single files and with `-s`: `breakpoint()` works there. Else one for each core."""
    is_watched = config.getoption("capture") == "no"
    return 0 if is_watched or selection.names_files_only(config.args) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    selection.mark_quick(items)  # before `-m` selects, and while the cases are in the order of the file
    yield
    selection.slow_first(items)


def pytest_unconfigure() -> None:
    FOLDER.cleanup()  # at the end of the interpreter it would be a warning in each worker


@pytest.fixture(scope="session", autouse=True)
def redis_server() -> Iterator[str]:
    """The URL of the Redis server of this run."""
    embedded = settings.REDIS_URL.startswith("unix://")
    with valkey.running(settings.REDIS_URL) if embedded else nullcontext():
        yield settings.REDIS_URL


@pytest.fixture(scope="session")
def integrated() -> Iterator[Deployment]:
    """Two MCP servers that are their own authorization server. Nobody ends or restarts them."""
    with deployment(CONFORMANCE_FIXTURES="1") as made:
        yield made


@pytest.fixture(scope="session")
def separate() -> Iterator[Deployment]:
    """Two MCP servers beside an authorization server (AUTH_MODE=separate). Nobody ends or restarts them."""
    with deployment(separate=True, CONFORMANCE_FIXTURES="1") as made:
        yield made


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database; PostgreSQL drops it only when the threads of async code have left it."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
