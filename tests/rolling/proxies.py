"""nginx and HAProxy in front of the processes: the configurations of `deploy/`, without their retries."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tests.rolling.servers import socket_of
from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"
START_SECONDS = 10.0


KEEPS_CONNECTIONS = (1, 27, 4)
"""The first nginx that can leave clients' connections open at a reload."""


def version() -> tuple[int, ...]:
    """The version of nginx."""
    told = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    [numbers] = re.findall(r"nginx/([\d.]+)", told)
    return tuple(int(number) for number in numbers.split("."))


class Proxy(Protocol):
    """A load balancer at one port."""

    uses_sockets: bool
    """Whether it finds the processes at Unix sockets, and not at ports."""

    def tell(self, ports: Sequence[int]) -> None:
        """Say that from now on these are the processes, if it does not find out by itself."""

    def start(self, ports: Sequence[int]) -> None:
        """Begin to serve."""

    def stop(self) -> None:
        """End at once."""


class _Program:
    """What both programs have: a folder, a port, and a process that serves until it is told to end."""

    def __init__(self, folder: Path, port: int, retries: bool) -> None:
        self._folder = folder
        self._port = port
        self._retries = retries
        self._process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)


class Nginx(_Program):
    """nginx, which asks no process how it is: each of its servers is a link to the socket of a process."""

    uses_sockets = True

    @property
    def _configuration(self) -> str:
        """The sample without TLS and the limits by address."""
        text = (DEPLOY / "nginx/everything-server.conf").read_text()
        servers = "".join(f"    server unix:{link} max_fails=0;\n" for link in self._links)
        text = re.sub(r"(?:^ *server unix:.*\n)+", servers, text, flags=re.MULTILINE)
        text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{self._port};")
        text = text.replace("server_name mcp.example.com;", "server_name localhost;")
        text = text.replace("/var/log/nginx", str(self._folder))
        text = re.sub(r"^ *(ssl_certificate|limit_req|limit_conn).*\n", "", text, flags=re.MULTILINE)
        if version() >= KEEPS_CONNECTIONS:
            text = text.replace("# keepalive_min_timeout", "keepalive_min_timeout")
        if not self._retries:
            text = re.sub(r"proxy_next_upstream .*;", "proxy_next_upstream off;", text)
        # The folder is readable for nobody else; if this user is not root, nginx only warns of the directive.
        user = f"{pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}"
        return (
            f"user {user};\nworker_processes 2;\n"
            f"pid {self._folder}/nginx.pid;\nerror_log {self._folder}/error.log;\n"
            f"events {{ worker_connections 4096; }}\n"
            f"http {{\n{_temporary_folders(self._folder)}{text}}}\n"
        )

    def start(self, ports: Sequence[int]) -> None:
        self._links = [self._folder / f"link-{number}" for number in range(len(ports))]
        self.tell(ports)
        path = self._folder / "nginx.conf"
        path.write_text(self._configuration)
        command = ["nginx", "-c", str(path), "-p", str(self._folder), "-g", "daemon off;"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _until_listening(self._folder / "nginx.pid")

    def tell(self, ports: Sequence[int]) -> None:
        for link, port in zip(self._links, ports, strict=True):
            subprocess.run(["ln", "-sfn", socket_of(self._folder, port), link], check=True)


class HAProxy(_Program):
    """HAProxy, which asks every process for `/readyz`; it knows all ports from the beginning."""

    uses_sockets = False

    def configuration(self, ports: Sequence[int]) -> str:
        """The sample with these ports, without TLS and the limits by address."""
        text = (DEPLOY / "haproxy/haproxy.cfg").read_text()
        servers = "".join(f"    server p{port} 127.0.0.1:{port}\n" for port in ports)
        text = re.sub(r"(?:^ *server .*\n)+", servers, text, flags=re.MULTILINE)
        text = text.replace("maxconn 20000", "maxconn 2000")  # which needs fewer open files
        text = re.sub(r"bind :443 .*", f"bind 127.0.0.1:{self._port}", text)
        text = text.replace("log stdout format raw local0", f"pidfile {self._folder}/haproxy.pid")
        text = re.sub(r"^ *(log|stick-table|http-request track|http-request deny).*\n", "", text, flags=re.M)
        if not self._retries:
            text = re.sub(r"^ *option redispatch.*\n", "", text, flags=re.MULTILINE)
            text = text.replace("retries 3", "retries 0")
        return text

    def start(self, ports: Sequence[int]) -> None:
        path = self._folder / "haproxy.cfg"
        path.write_text(self.configuration(ports))
        self._process = subprocess.Popen(
            ["haproxy", "-db", "-f", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def tell(self, ports: Sequence[int]) -> None:
        """It has found out by itself."""


PROXIES: dict[str, Callable[[Path, int, bool], Proxy]] = {"nginx": Nginx, "haproxy": HAProxy}


def is_installed(name: str) -> bool:
    """Whether the program is there."""
    return shutil.which(name) is not None


@contextlib.contextmanager
def running(proxy: Proxy, ports: Sequence[int]) -> Iterator[Proxy]:
    """Serve while the context is open."""
    proxy.start(ports)
    try:
        yield proxy
    finally:
        proxy.stop()


def _temporary_folders(folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)


def _until_listening(pid_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
