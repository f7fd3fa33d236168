"""The embedded Valkey: private, running while anybody needs it, and gone without a trace afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from everything_site import env
from mcp_app import valkey
from tests.everything_site.checkout import ROOT, eventually, processes_of
from tests.support.folders import short_folder
from tests.support.processes import needs_proc

pytestmark = [pytest.mark.processes, needs_proc]

OWNER = """
import sys, time
from mcp_app import valkey

with valkey.running(sys.argv[1]):
    print("running", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A separate folder for a test, in which there is no server folder yet."""
    with short_folder() as name:
        yield Path(name)


@pytest.fixture
def url(folder: Path) -> str:
    return f"unix://{folder / 'valkey' / 'valkey.sock'}"


def answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def servers(folder: Path) -> set[int]:
    return {
        process
        for process in processes_of(folder)
        if b"valkey-server" in Path(f"/proc/{process}/cmdline").read_bytes()
    }


def keepers(folder: Path) -> set[int]:
    return processes_of(folder) - servers(folder)


def test_it_answers_while_the_context_is_open_and_leaves_nothing(folder: Path, url: str) -> None:
    with valkey.running(url):
        assert answers(url)
        assert processes_of(folder)
        assert (folder / "valkey").stat().st_mode & 0o777 == 0o700
    assert not processes_of(folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["a#b", "what?", "50%25", "münchen"])
def test_its_folder_may_have_any_name(folder: Path, name: str) -> None:
    url = f"unix://{quote(str(folder / name / 'valkey.sock'))}"
    with valkey.running(url):
        assert answers(url)
        assert [path.name for path in folder.iterdir()] == [name]


def test_a_second_owner_shares_the_first_ones(folder: Path, url: str) -> None:
    with valkey.running(url):
        before = servers(folder)
        with valkey.running(url):
            assert servers(folder) == before
        assert answers(url), "the second owner does not end it"


def test_when_the_first_owner_ends_the_server_is_started_again_for_the_second(folder: Path, url: str) -> None:
    with contextlib.ExitStack() as first:
        first.enter_context(valkey.running(url))
        before = servers(folder)
        with valkey.running(url):
            first.close()
            eventually(lambda: answers(url), "it is started again")
            assert servers(folder).isdisjoint(before)
    assert not list(folder.iterdir())


def test_a_server_that_dies_is_started_again(folder: Path, url: str) -> None:
    with valkey.running(url):
        (before,) = servers(folder)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: servers(folder) not in ({before}, set()) and answers(url), "it is started again")


def test_a_server_whose_keeper_was_killed_exits(folder: Path, url: str) -> None:
    with valkey.running(url):
        (orphan,) = servers(folder)
        (keeper,) = keepers(folder)
        os.kill(keeper, signal.SIGKILL)
    with valkey.running(url):
        assert servers(folder).isdisjoint({orphan})
        assert answers(url)
    assert not processes_of(folder)


def test_a_socket_left_by_a_dead_server_does_not_matter(folder: Path, url: str) -> None:
    (folder / "valkey").mkdir(mode=0o700)
    (folder / "valkey" / "valkey.sock").touch()
    with valkey.running(url):
        assert answers(url)


def test_the_folder_stays_as_long_as_a_process_that_serves_holds_it(folder: Path, url: str) -> None:
    with valkey.holding(url):
        with valkey.running(url):
            pass
        assert (folder / "valkey").is_dir(), "nobody else can put another in its place"
    assert not list(folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_owner(folder: Path, url: str, number: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, url],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout
    try:
        assert owner.stdout.readline() == "running\n"
        assert answers(url)
    finally:
        owner.send_signal(number)
        owner.wait(30)
        owner.stdout.close()
    eventually(lambda: not processes_of(folder), f"no process is left: {processes_of(folder)}")
    assert not list(folder.iterdir())


def test_a_keeper_whose_folder_was_deleted_exits_with_one_line(
    folder: Path, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with valkey.running(url):
        (folder / "valkey").rename(folder / "elsewhere")
        eventually(lambda: not keepers(folder) and not servers(folder), "the keeper ends with its server")
    [said] = capfd.readouterr().err.splitlines()
    assert said.startswith("The embedded Valkey has stopped (")


def _a_file(path: Path) -> None:
    path.touch(mode=0o600)


def _a_link(path: Path) -> None:
    path.with_name("elsewhere").mkdir(mode=0o700)
    path.symlink_to(path.with_name("elsewhere"))


def _with_mode(mode: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir()
        path.chmod(mode)

    return make


STRANGE = {
    "a file": _a_file,
    "a link": _a_link,
    "open to all": _with_mode(0o777),
    "sticky": _with_mode(0o1777),
    "readable by others": _with_mode(0o755),
    "open to the group": _with_mode(0o770),
}


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_a_folder_that_is_not_private_is_refused(
    folder: Path, url: str, make: Callable[[Path], None]
) -> None:
    make(folder / "valkey")
    before = sorted(folder.rglob("*"))
    for use in (
        valkey.check,
        lambda url: valkey.holding(url).__enter__(),
        lambda url: valkey.running(url).__enter__(),
    ):
        with pytest.raises(valkey.Refused, match="set REDIS_URL"):
            use(url)
    assert sorted(folder.rglob("*")) == before


def test_a_folder_of_somebody_else_is_refused_even_if_a_server_answers_there(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "valkey").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "valkey" / "valkey.sock"))
        server.listen()
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        with pytest.raises(valkey.Refused, match="belongs to another user"), valkey.running(url):
            pass
        with pytest.raises(valkey.Refused, match="belongs to another user"):
            valkey.check(url)


def test_every_command_refuses_a_folder_that_others_could_have_filled(tmp_path: Path) -> None:
    place = Path(valkey.default_url(tmp_path).removeprefix("unix://")).parent
    place.mkdir()
    try:
        place.chmod(0o777)
        for process in ({}, {"REDIS_URL": valkey.default_url(tmp_path)}):
            with pytest.raises(ImproperlyConfigured, match="set REDIS_URL instead"):
                env.read(tmp_path, process)
        assert env.read(tmp_path, {"REDIS_URL": "redis://localhost"}), (
            "where another server is used, it is no matter"
        )
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("length", [20, 60, 140])
def test_its_place_depends_on_no_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    usual = valkey.default_url(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", "/" + "x" * length)
    assert valkey.default_url(tmp_path) == usual
    assert len(usual.removeprefix("unix://")) <= valkey.MAX_PATH_BYTES


def test_a_path_that_is_too_long_for_a_socket_is_refused(folder: Path) -> None:
    with (
        pytest.raises(valkey.Refused, match="too long for a socket"),
        valkey.running(f"unix://{folder / ('x' * 100) / 'valkey.sock'}"),
    ):
        pass


@pytest.mark.parametrize("is_there", [True, False])
def test_where_tmp_cannot_be_written_the_temporary_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "/tmp")

    def gettempdir() -> str:
        if is_there:
            return "/elsewhere"
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", gettempdir)
    assert valkey.default_url(tmp_path).startswith("unix:///elsewhere/" if is_there else "unix:///tmp/")


def test_each_checkout_has_a_short_path_of_its_own(tmp_path: Path) -> None:
    urls = {valkey.default_url(tmp_path), valkey.default_url(tmp_path / ("deep" * 40))}
    assert len(urls) == 2
    assert all(len(url) < 100 for url in urls)
    assert valkey.is_embedded(valkey.default_url(tmp_path), tmp_path)
    assert not valkey.is_embedded("redis://127.0.0.1:6379/0", tmp_path)
