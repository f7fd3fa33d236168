"""The name of a process, where no setting gives one."""

from __future__ import annotations

import os
import re
import socket


def is_process_name(text: str) -> bool:
    """Whether a text may be a name. It becomes part of channel names, where dots end it, and of JSON."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,40}", text) is not None


def host_and_pid() -> str:
    """The name of this computer, as far as it fits, and the id of this process: `web-2-4711`."""
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname().partition(".")[0])
    return f"{host[:30]}-{os.getpid()}"
