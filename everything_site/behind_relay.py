"""Whether a process is one of several behind the relay of `runserver --processes`, which tells them so."""

import os

_VARIABLE = "EVERYTHING_BEHIND_RELAY"


def marked(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a process that is behind a relay."""
    return {**environment, _VARIABLE: "true"}


def is_behind_relay() -> bool:
    """Whether this process is; the relay then answers `/-/processes`."""
    return _VARIABLE in os.environ
