"""Temporary folders with a path that is short enough for a Unix socket, whatever TMPDIR is."""

from __future__ import annotations

import tempfile

from mcp_app import valkey


def short_folder(prefix: str = "everything-") -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=prefix, dir=valkey.socket_home())
