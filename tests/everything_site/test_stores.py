"""REDIS_URL and DATABASE_URL: the defaults work in any folder; dangerous values are refused with a reason."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from pytest_django import DjangoDbBlocker

from everything_site import stores
from everything_site.sqlite3.base import DatabaseWrapper

ODD_FOLDERS = ["c++", "a#b", "what?", "100%", "50%25", "two words", "münchen", "a&b=c;d"]
WAL = {"init_command": "PRAGMA journal_mode=WAL", "transaction_mode": "IMMEDIATE"}


@pytest.fixture(autouse=True)
def databases_of_their_own(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The tests open files in their own folders, not the database of the project."""
    with django_db_blocker.unblock():
        yield


def wrapper(name: str) -> DatabaseWrapper:
    settings = {"NAME": name, "OPTIONS": WAL, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    more: dict[str, Any] = {
        "AUTOCOMMIT": True,
        "ATOMIC_REQUESTS": False,
        "TIME_ZONE": None,
        "TEST": {},
        "USER": "",
        "HOST": "",
    }
    return DatabaseWrapper({**settings, **more}, "default")


@pytest.mark.parametrize("name", ODD_FOLDERS)
def test_the_default_database_lies_in_the_checkout_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    found = stores.database("", folder)
    connection = wrapper(found["NAME"])
    connection.ensure_connection()
    connection.close()
    assert [path.name for path in folder.iterdir()] == ["db.sqlite3"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", ODD_FOLDERS)
def test_a_url_names_any_path_when_it_is_encoded(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "db.sqlite3"
    assert stores.database(f"sqlite:///{quote(str(path))}", tmp_path)["NAME"] == str(path)


def test_a_relative_path_starts_in_the_projects_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert stores.database("sqlite:///c++.db", tmp_path)["NAME"] == str(tmp_path / "c++.db")


@pytest.mark.parametrize(
    "option",
    ["conn_max_age=600", "CONN_MAX_AGE=None", "conn_max_age=", "atomic_requests=true", "autocommit=0",
     "sslmode=require&conn_health_checks=1"],
)  # fmt: skip
def test_what_the_project_decides_itself_is_refused_with_the_reason(tmp_path: Path, option: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL must not set .*: they are closed"):
        stores.database(f"postgres://me@host/name?{option}", tmp_path)


def test_options_of_the_driver_are_handed_on(tmp_path: Path) -> None:
    found = stores.database("postgres://me:p%23w@host:6432/name?sslmode=require&connect_timeout=3", tmp_path)
    assert found["OPTIONS"] == {"sslmode": "require", "connect_timeout": 3}
    assert (found["PASSWORD"], found["PORT"]) == ("p#w", 6432)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


PRIVATE = {"db.sqlite3": 0o600, "db.sqlite3-wal": 0o600, "db.sqlite3-shm": 0o600}


def test_a_new_database_is_private_with_its_journal(tmp_path: Path) -> None:
    connection = wrapper(str(tmp_path / "db.sqlite3"))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a)")
        assert modes(tmp_path) == PRIVATE
    connection.close()


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o640])
def test_a_database_that_others_could_read_is_made_private(tmp_path: Path, mode: int) -> None:
    first = wrapper(str(tmp_path / "db.sqlite3"))
    with first.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a)")
    for path in tmp_path.iterdir():
        path.chmod(mode)
    second = wrapper(str(tmp_path / "db.sqlite3"))
    second.ensure_connection()
    assert modes(tmp_path) == PRIVATE
    first.close()
    second.close()


def a_text(folder: Path) -> Path:
    path = folder / "x.txt"
    path.write_text("x")
    return path


NO_DATABASES: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "text": lambda path: path.write_text("SECRET_KEY=x\n"),
    "nearly a database": lambda path: path.write_bytes(b"SQLite format 2\0"),
    "link to a folder": lambda path: path.symlink_to(path.parent),
    "link to a text": lambda path: path.symlink_to(a_text(path.parent)),
}


@pytest.mark.parametrize("kind", NO_DATABASES)
def test_a_file_that_is_not_a_database_is_refused_and_keeps_its_permissions(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "thing"
    NO_DATABASES[kind](path)
    path.chmod(0o755)
    with pytest.raises(OperationalError, match="DATABASE_URL names") as refused:
        wrapper(str(path)).ensure_connection()
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a folder", "link to a text"])
def test_a_journal_that_is_not_a_file_is_refused_and_keeps_its_permissions(
    tmp_path: Path, ending: str, kind: str
) -> None:
    journal = tmp_path / f"db.sqlite3{ending}"
    NO_DATABASES[kind](journal)
    journal.chmod(0o755)
    with pytest.raises(OperationalError, match="DATABASE_URL"):
        wrapper(str(tmp_path / "db.sqlite3")).ensure_connection()
    assert stat.S_IMODE(journal.stat().st_mode) == 0o755


@pytest.mark.parametrize("content", ["nothing", "a database"])
def test_a_database_behind_a_link_is_made_private(tmp_path: Path, content: str) -> None:
    path = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        if content == "a database":
            connection.execute("CREATE TABLE t (a)")
    path.touch()
    path.chmod(0o644)
    Path(tmp_path, "link").symlink_to(path)
    link = wrapper(str(tmp_path / "link"))
    link.ensure_connection()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give a file away")
def test_a_database_of_another_user_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    path.touch()
    path.chmod(0o660)
    os.chown(path, 12345, -1)
    connection = wrapper(str(path))
    connection.ensure_connection()
    connection.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a folder"])
def test_the_url_of_something_that_is_not_a_file_is_refused(tmp_path: Path, kind: str) -> None:
    NO_DATABASES[kind](tmp_path / "thing")
    for url in ("sqlite:///thing", f"sqlite:///{tmp_path}/thing", "sqlite:///new/"):
        with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL must name a file"):
            stores.database(url, tmp_path)


def test_the_file_of_a_database_is_not_opened_besides_its_connections(tmp_path: Path) -> None:
    """A process that closes any descriptor of a file loses all its locks on it (POSIX fcntl)."""
    writer = wrapper(str(tmp_path / "db.sqlite3"))
    with writer.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a)")
        cursor.execute("BEGIN IMMEDIATE")
        other = wrapper(str(tmp_path / "db.sqlite3"))
        other.ensure_connection()
        other.close()
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        second = [sys.executable, "-c", script, str(tmp_path / "db.sqlite3")]
        outcome = subprocess.run(second, capture_output=True, text=True, timeout=20)
        assert "database is locked" in outcome.stderr
        cursor.execute("ROLLBACK")
    writer.close()


def test_a_database_that_cannot_be_opened_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="DATABASE_URL") as refused:
        wrapper(str(tmp_path / "missing" / "db.sqlite3")).ensure_connection()
    assert str(tmp_path / "missing") in str(refused.value)
