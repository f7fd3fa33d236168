"""Forms of many shapes, sent by strangers to every kind of path."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tests.abuse.inputs import BODY, Input
from tests.abuse.site import Site

PATHS = ("/healthz", "/mcp", "/token", "/register", "/authorize", "/admin/login/", "/nothing")
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
CSRF_TOKEN = "x" * 32
MEMORY = 2_400_000
"""Less than Django's DATA_UPLOAD_MAX_MEMORY_SIZE."""


def _part(disposition: bytes, data: bytes = b"x", more: bytes = b"") -> bytes:
    return (
        b"--b\r\nContent-Disposition: form-data; " + disposition + b"\r\n" + more + b"\r\n" + data + b"\r\n"
    )


def _parts(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


def _shapes() -> Iterator[tuple[str, str, bytes]]:
    """Name, content type and body."""
    yield "100,000 fields", URLENCODED, b"&".join(b"a%d=1" % n for n in range(100_000))
    yield "100,000 empty fields", URLENCODED, b"&" * MEMORY
    yield "percent-encodings", URLENCODED, b"a=" + b"%41" * (MEMORY // 3)
    yield "broken percent-encodings", URLENCODED, b"a=" + b"%" * MEMORY
    yield "semicolons", URLENCODED, b";" * MEMORY
    yield "plus signs", URLENCODED, b"a=" + b"+" * MEMORY
    yield "semicolons in a name", MULTIPART, _parts(_part(b'name=a;b="' + b";" * 128_000))
    yield "quotes in a name", MULTIPART, _parts(_part(b'name="' + b'\\"' * 500_000 + b'"'))
    yield (
        "parameters of a part",
        MULTIPART,
        _parts(_part(b"; ".join(b"a%d*=x''y" % n for n in range(60_000)))),
    )
    yield "100,000 parts", MULTIPART, _parts(*(_part(b'name="a%d"' % n, b"") for n in range(60_000)))
    yield (
        "files",
        MULTIPART,
        _parts(*(_part(b'name="a%d"; filename="f%d"' % (n, n), b"") for n in range(45_000))),
    )
    yield "header lines of a part", MULTIPART, _parts(_part(b'name="a"', more=b"a: b\r\n" * 500_000))
    yield "a header without an end", MULTIPART, b"--b\r\n" + b"a" * BODY
    yield "boundaries", MULTIPART, b"--b\r\n" * (BODY // 5)
    yield "nearly boundaries", MULTIPART, _parts(_part(b'name="a"', b"\r\n--" * (MEMORY // 4)))
    yield "line ends", MULTIPART, _parts(_part(b'name="a"; filename="f"', b"\r\n" * (BODY // 2 - 200)))
    base = b"Content-Transfer-Encoding: base64\r\n"
    yield "base64 of spaces", MULTIPART, _parts(_part(b'name="a"; filename="f"', b" " * (BODY - 400), base))
    yield "base64", MULTIPART, _parts(_part(b'name="a"', base64.b64encode(b"x" * 1_700_000), base))
    yield "a long file name", MULTIPART, _parts(_part(b'name="a"; filename="' + b"/.." * 300_000 + b'"'))
    yield "a long boundary", "multipart/form-data; boundary=" + "b" * HEAD_ROOM, b"--" + b"b" * BODY
    yield (
        "parameters of the type",
        "multipart/form-data" + ";a=b" * (HEAD_ROOM // 4),
        _parts(_part(b"name=a")),
    )
    yield "a file", MULTIPART, _parts(_part(b'name="a"; filename="f"', b"x" * (BODY - 400)))


HEAD_ROOM = 14_000


def _input(path: str, name: str, kind: str, body: bytes) -> Input:
    def make(site: Site) -> bytes:
        # With a CSRF cookie of its own, the form is read before it is rejected.
        cookie = f"Cookie: everything-{site.ports[0]}-csrf={CSRF_TOKEN}"
        return site.head("POST", path, f"Content-Type: {kind}", cookie, length=len(body)) + body

    return Input("form", f"{name} to {path.partition('?')[0]}", make)


def inputs() -> Iterator[Input]:
    """Every shape to every path."""
    yield from (_input(path, *shape) for shape in _shapes() for path in PATHS)
    query = "?" + "a&" * 1100
    for kind in (URLENCODED, f"{URLENCODED}; charset=utf-8", f"{MULTIPART}; charset=utf-8"):
        yield from (_input(path + query, f"a long query, {kind}", kind, b"a=b") for path in PATHS)
    yield from (
        _input(path, "a form in Latin-1", f"{URLENCODED}; charset=iso-8859-1", b"a=\xe4") for path in PATHS
    )
