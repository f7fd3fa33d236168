"""Metadata documents over the wire: what a hostile server may answer, and how long it may take."""

from __future__ import annotations

import gc
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from oauth2_provider import cimd as toolkit
from oauth2_provider.cimd import CIMDError
from oauth2_provider.settings import oauth2_settings

from oauth_app.clients import cimd
from tests.oauth_app import flow

HOST = "client.example"
DOCUMENT = {"client_name": "Over the wire", "redirect_uris": [flow.CALLBACK]}

# The toolkit leaves a response that it has not read to its end, and its socket, to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Answer = Callable[[ssl.SSLSocket, threading.Event], None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for the host, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Site:
    """A TLS server that always sends the same response; for the test, its address counts as public."""

    def __init__(self, answer: Answer, certificate: Path) -> None:
        self._answer = answer
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.connections = 0

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self._listener.getsockname()[1]}/metadata.json"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                with self._context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(65536)
                    self._answer(tls, self._over)
            except OSError:
                pass  # the client left, as it should
            finally:
                connection.close()

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def serve(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], Site]]:
    """Start a site; it is trusted, and its address counts as public."""
    sites: list[Site] = []
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(toolkit.ssl, "create_default_context", lambda: trusting)
    monkeypatch.setattr(toolkit, "_ip_is_public", lambda ip: True)
    monkeypatch.setattr(cimd, "is_public", lambda address: True)
    real = socket.getaddrinfo

    def resolve(host: str, *args: object, **kwargs: object) -> object:
        return real("127.0.0.1" if host == HOST else host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(toolkit.socket, "getaddrinfo", resolve)

    def start(answer: Answer) -> Site:
        sites.append(Site(answer, certificate))
        return sites[-1]

    yield start
    for site in sites:
        site.close()
    gc.collect()  # here, where the warning is expected


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    head = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    head |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def saying(answer: bytes) -> Answer:
    return lambda tls, over: tls.sendall(answer)


def describing_itself(tls: ssl.SSLSocket, over: threading.Event) -> None:
    """A valid document, whose client_id is the URL that it is fetched from."""
    url = f"https://{HOST}:{tls.getsockname()[1]}/metadata.json"
    tls.sendall(response(json.dumps(DOCUMENT | {"client_id": url}).encode()))


def dripping(start: bytes, drop: bytes) -> Answer:
    """Sends a little, again and again, and never ends."""

    def answer(tls: ssl.SSLSocket, over: threading.Event) -> None:
        tls.sendall(start)
        while not over.wait(0.02):
            tls.sendall(drop)

    return answer


def test_a_good_document_is_read(serve):
    site = serve(describing_itself)
    document, max_age = cimd.NormalisingFetcher().fetch(site.url)
    assert document["client_name"] == "Over the wire"
    assert document["client_id"] == site.url
    assert max_age > 0


@pytest.mark.parametrize(
    "answer",
    [
        response(b"", "302 Found", Location="https://169.254.169.254/latest/meta-data"),
        response(b"", "301 Moved Permanently", Location="/elsewhere.json"),
        response(b"", "304 Not Modified"),
        response(b"{}", "404 Not Found"),
        response(b"{}", "500 Internal Server Error"),
        response(b'{"client_name": "' + b"x" * 20_000 + b'"}'),
        response(b"[" * 16_000),
        response(b"<html>", Content_Type="text/html"),
        response(b"[]"),
        response(b"not json"),
        response(b"\xff\xfe"),
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=lambda answer: answer[:30].decode("latin-1"),
)
def test_any_other_response_is_rejected_and_not_followed(serve, answer):
    site = serve(saying(answer))
    with pytest.raises(CIMDError):
        cimd.NormalisingFetcher().fetch(site.url)
    assert site.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda tls, over: over.wait(20),
        dripping(response(b"", Content_Length="16000"), b" "),
        dripping(b"HTTP/1.1 200 OK\r\nX-Endless: ", b"x"),
        dripping(b"HTTP/1.1 ", b" "),
    ],
    ids=["silence", "a dripping body", "a dripping header", "a dripping status line"],
)
def test_a_slow_response_delays_nobody_else(serve, monkeypatch, answer):
    monkeypatch.setattr(oauth2_settings, "CIMD_FETCH_TIMEOUT_SECONDS", 0.3)
    site = serve(answer)
    started = time.monotonic()
    with pytest.raises(CIMDError):
        cimd.NormalisingFetcher().fetch(site.url)
    assert time.monotonic() - started < 3


def test_a_name_that_resolves_differently_later_changes_nothing(serve, monkeypatch):
    """Rebinding: the address that was checked is the one that is connected to."""
    site = serve(describing_itself)
    judged = toolkit.socket.getaddrinfo
    asked = []

    def resolve(host, *args, **kwargs):
        if host != HOST:
            return judged(host, *args, **kwargs)
        asked.append(host)
        rebound = "127.0.0.1" if len(asked) <= 2 else "127.66.66.66"  # where nobody listens
        return judged(rebound, *args, **kwargs)

    monkeypatch.setattr(toolkit.socket, "getaddrinfo", resolve)
    assert cimd.NormalisingFetcher().fetch(site.url)[0]["client_name"] == "Over the wire"
    assert asked == [HOST, HOST], "both look-ups are checked, and the second one is connected to"


def test_a_certificate_for_another_name_is_not_trusted(serve, monkeypatch):
    site = serve(saying(response(json.dumps(DOCUMENT).encode())))
    judged = toolkit.socket.getaddrinfo
    monkeypatch.setattr(
        toolkit.socket, "getaddrinfo", lambda host, *args, **kwargs: judged(HOST, *args, **kwargs)
    )
    with pytest.raises(CIMDError, match=r"(?i)certificate"):
        cimd.NormalisingFetcher().fetch(site.url.replace(HOST, "other.example"))
