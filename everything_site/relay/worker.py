"""One server process behind the relay: `python -m everything_site.relay.worker DESCRIPTOR`.

It listens on a loopback port of the system's choice, which it writes to the descriptor. Connections begin
with a line of the PROXY protocol that has the address of the client. So the application sees the same request
as without the relay, and pages in a browser cannot reach the port. When the standard input ends, so does the
process: the relay has gone, however it ended.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

ENDPOINT = "haproxy:tcp:port=0:interface=127.0.0.1"


def main(descriptor: int) -> None:
    """Serve until a signal, or until the relay ends.

    Args:
        descriptor: Where to write the port.
    """
    threading.Thread(target=_end_with_relay, name="relay watch", daemon=True).start()
    # After the application: it sets up Django, and how Daphne reads HTTP.
    from daphne.server import Server

    from everything_site.asgi import application

    def say_port() -> None:
        [(_, port)] = server.listening_addresses
        with os.fdopen(descriptor, "w") as relay:
            relay.write(f"{port}\n")

    server = Server(application, endpoints=[ENDPOINT], verbosity=0, ready_callable=say_port)
    server.run()


def _end_with_relay() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
