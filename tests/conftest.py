"""What all tests share: the Redis server, the database and the browser of the worker."""

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.support import redis_servers, selection
from tests.support.chromium import Chromium, chromium
from tests.support.run import FOLDER

gc.disable()  # see pytest_collection


def pytest_configure() -> None:
    # A shell starts its background jobs with SIGINT ignored, and processes hand that on to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    """One worker more than there are cores, since many tests wait.

    None for single files, with `-s` (so that `breakpoint()` works), or if TEST_REDIS_URL names one server for
    all.
    """
    cores = yield
    is_watched = config.getoption("capture") == "no"
    is_shared = "TEST_REDIS_URL" in os.environ
    if is_watched or is_shared or selection.names_files_only(config.args):
        return 0
    return cores + 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m quick`, import no module that has only slow tests."""
    return (config.getoption("markexpr") == "quick" and selection.is_slow_module(collection_path)) or None


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-randomly, which is a wrapper as well
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    if "TEST_INSTALLS" not in os.environ:
        selection.skip_installs(items)
    selection.mark_quick(items)  # before `-m` selects, and while the cases are in the order of the file
    yield
    selection.slow_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Turn garbage collection on again after collection, but exempt everything loaded so far."""
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    FOLDER.cleanup()  # at the end of the interpreter it would be a warning in each worker


@pytest.fixture(scope="session", autouse=True)
def redis_server() -> Iterator[str]:
    """The URL of the Redis server of this run."""
    with redis_servers.running(settings.REDIS_URL):
        yield settings.REDIS_URL


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Chromium]:
    """The browser of this run, for fixtures that use it for several tests: they renew it, and let it rest."""
    with chromium() as window:
        yield window


@pytest.fixture
def browser(one_browser: Chromium) -> Iterator[Chromium]:
    """A browser that has never been anywhere."""
    one_browser.renew()
    yield one_browser
    one_browser.rest()


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
