"""What a client has declared, as far as this server may rely on it."""

from typing import Any

MODES = ("form", "url")
"""The modes of elicitation (2025-11-25, client/elicitation, "Capabilities")."""


def without_unknown_modes(capabilities: Any) -> Any:
    """The raw capabilities, without an elicitation that has only modes which nobody here knows.

    An empty object stands for forms. An object of unknown modes alone is none, but the SDK's model drops
    what it does not know, and it would look like the empty one.
    """
    declared = capabilities.get("elicitation") if isinstance(capabilities, dict) else None
    if not isinstance(declared, dict):
        return capabilities
    modes = {mode for mode, options in declared.items() if options is not None}
    if not modes or not modes.isdisjoint(MODES):
        return capabilities
    return {name: value for name, value in capabilities.items() if name != "elicitation"}
