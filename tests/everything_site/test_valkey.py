"""The embedded Valkey: there while its owner lives, gone when the owner is, however that came about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import redis

from everything_site import valkey
from tests.everything_site.checkout import ROOT, eventually, processes_of

pytestmark = pytest.mark.processes

OWNER = """
import sys, time
from everything_site import valkey

with valkey.running(sys.argv[1]):
    print("running", flush=True)
    time.sleep(300)
"""


def answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def test_it_answers_while_the_context_is_open_and_leaves_no_process(tmp_path: Path) -> None:
    url = f"unix://{tmp_path / 'valkey.sock'}"
    with valkey.running(url):
        assert answers(url)
        assert processes_of(tmp_path)
    assert not processes_of(tmp_path)


def test_a_second_owner_shares_the_first_ones(tmp_path: Path) -> None:
    url = f"unix://{tmp_path / 'valkey.sock'}"
    with valkey.running(url):
        before = processes_of(tmp_path)
        with valkey.running(url):
            assert processes_of(tmp_path) == before
        assert answers(url), "the second owner does not end it"


def test_a_socket_that_a_dead_server_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "valkey.sock").touch()
    url = f"unix://{tmp_path / 'valkey.sock'}"
    with valkey.running(url):
        assert answers(url)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_owner(tmp_path: Path, number: signal.Signals) -> None:
    url = f"unix://{tmp_path / 'valkey.sock'}"
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
    eventually(lambda: not processes_of(tmp_path), f"no process is left: {processes_of(tmp_path)}")


def test_a_folder_of_someone_else_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with (
        pytest.raises(RuntimeError, match="belongs to another user"),
        valkey.running(f"unix://{tmp_path / 'valkey.sock'}"),
    ):
        pass


def test_a_long_temporary_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/" + "long/" * 30)
    url = valkey.default_url(tmp_path)
    assert url.startswith("unix:///tmp/everything-server-")
    assert len(url.removeprefix("unix://")) <= valkey.LONGEST_PATH


def test_each_checkout_has_a_short_path_of_its_own(tmp_path: Path) -> None:
    urls = {valkey.default_url(tmp_path), valkey.default_url(tmp_path / ("deep" * 40))}
    assert len(urls) == 2
    assert all(len(url) < 100 for url in urls)
    assert valkey.is_embedded(valkey.default_url(tmp_path), tmp_path)
    assert not valkey.is_embedded("redis://127.0.0.1:6379/0", tmp_path)
