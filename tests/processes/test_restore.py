"""docs/backups.md: a backup, an empty machine, the commands of the page, and a client that goes on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
import redis
from psycopg import sql

from tests.docs.markdown import blocks, commands
from tests.processes.support import Identity, Person, Session, sign_in
from tests.support.processes import ROOT, Installation, ServerProcess, free_port, installation
from tests.support.waiting import eventually

SERVER = os.environ.get("TEST_DATABASE_URL", "")
PAGE = "backups.md"
PASSWORD = "of-redis"
PATIENCE = 60

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not SERVER.startswith("postgres"), reason="TEST_DATABASE_URL names no PostgreSQL"),
    pytest.mark.skipif(
        not all(map(which, ("redis-server", "redis-cli", "pg_dump", "pg_restore"))),
        reason="the programs of Redis and PostgreSQL are not installed",
    ),
]


class Machine:
    """A database and a Redis that can be lost.

    Attributes:
        configuration: The file of Redis.
        variables: What the commands of the page are about.
    """

    def __init__(self, made: Installation, folder: Path) -> None:
        self.made = made
        self.data = folder / "redis"
        self.data.mkdir()
        self.configuration = folder / "redis.conf"
        backup = folder / "backup"
        backup.mkdir(mode=0o700)
        url = urlsplit(made.environment["DATABASE_URL"])
        passwords = folder / "pgpass"
        passwords.write_text(f"*:*:*:*:{url.password or ''}\n")
        passwords.chmod(0o600)
        self.variables = made.environment | {
            "BACKUP": str(backup),
            "REDIS_DIR": str(self.data),
            "REDIS_ADMIN_URL": made.environment["REDIS_URL"].replace(f":{PASSWORD}@", ""),
            "REDISCLI_AUTH": PASSWORD,
            "DATABASE_OWNER_URL": url._replace(netloc=url.netloc.replace(f":{url.password}@", "@")).geturl(),
            "PGPASSFILE": str(passwords),
        }

    def follow(self, title: str) -> float:
        """Run the commands of the page below a title; returns how long they took, in seconds."""
        [block] = [block for block in blocks(PAGE, "bash") if block.startswith(f"# {title}\n")]
        block = block.replace("-o redis -g redis", "")  # here, Redis runs as the user of the tests
        began = time.monotonic()
        subprocess.run(
            ["bash", "-euc", block],
            cwd=ROOT,
            env=self.variables,
            check=True,
            timeout=PATIENCE,
            capture_output=True,
        )
        return time.monotonic() - began

    @contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        """A Redis that reads what is in its folder, and saves nothing by itself."""
        url = self.variables["REDIS_URL"]
        port = url.rpartition(":")[2].partition("/")[0]
        self.configuration.write_text(
            f'port {port}\ndir {self.data}\nsave ""\nappendonly no\nrequirepass {PASSWORD}\n'
        )
        with (
            subprocess.Popen(["redis-server", str(self.configuration)], stdout=subprocess.DEVNULL) as process,
            redis.Redis.from_url(url) as client,
        ):
            try:
                deadline = time.monotonic() + PATIENCE
                while time.monotonic() < deadline:
                    with suppress(redis.ConnectionError):
                        client.ping()
                        break
                    time.sleep(0.05)
                yield client
            finally:
                process.kill()

    def lose_everything(self) -> None:
        """Replace the database by an empty one, and delete what Redis has stored. Redis does not run."""
        name = self.variables["DATABASE_URL"].rpartition("/")[2]
        with psycopg.connect(re.sub(r"/\w*$", "/postgres", SERVER), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        for path in sorted(self.data.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


@contextmanager
def serving(machine: Machine, port: int) -> Iterator[ServerProcess]:
    server = ServerProcess(Installation(machine.made.environment, machine.made.folder), port)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[tuple[Machine, int]]:
    port = free_port()
    redis_url = f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0"
    with installation(f"http://127.0.0.1:{port}", REDIS_URL=redis_url) as made:
        yield Machine(made, tmp_path), port


async def is_unknown(session: Session, url: str) -> bool:
    return await session.ping(url) == 404


async def test_a_client_goes_on_after_a_restore(machine: tuple[Machine, int]) -> None:
    there, port = machine
    with there.redis(), serving(there, port) as server:
        url = server.url
        identity = await sign_in(url, "alice")
        alice = Person(identity)
        session = await alice.open(url)
        created = await session.call(url, "create-note", {"title": "Kept", "text": "in the backup"})
        [note] = re.findall(r"Created note (\w+)\.", created["result"]["content"][0]["text"])
        saved = there.follow("back up")
        await alice.leave()
    there.lose_everything()

    restored = there.follow("restore the database") + there.follow("restore Redis, before it starts")
    with there.redis() as data:
        restored += there.follow("after it has started")
        assert data.config_get("appendonly") == {"appendonly": "yes"}
        assert "appendonly yes" in there.configuration.read_text(), "also at the next start"
        with serving(there, port):
            alice = Person(await refreshed(url, identity))
            same = Session(alice, session.id)
            assert await same.ping(url) == 200
            edited = await same.call(url, "edit-note", {"noteId": note, "text": "and restored"})
            assert "isError" not in edited["result"] or not edited["result"]["isError"], edited

            data.flushall()  # as without the file of Redis
            await eventually(lambda: is_unknown(same, url), within=PATIENCE)  # a copy lasts for seconds
            anew = await alice.open(url)
            assert await anew.ping(url) == 200

            [command] = [line for line in commands(PAGE) if "end_access" in line]
            there.made.run(*shlex.split(command)[2:])
            assert (await anew.ping(url)) in (401, 404)
            await alice.leave()
    print(f"\nbackup {saved:.1f} s, restore {restored:.1f} s")


async def refreshed(url: str, identity: Identity) -> Identity:
    """The same person with the next pair of tokens."""
    form = {
        "grant_type": "refresh_token",
        "refresh_token": identity.refresh_token,
        "client_id": identity.client_id,
    }
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{url}/token", data=form)
    assert answer.status_code == 200, answer.text
    pair = answer.json()
    return replace(identity, token=pair["access_token"], refresh_token=pair["refresh_token"])
