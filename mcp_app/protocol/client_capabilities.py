"""Client capabilities, reduced to those that this server knows."""

from typing import Any

MODES = ("form", "url")
"""The modes of elicitation (2025-11-25, client/elicitation, "Capabilities")."""


def without_unknown_modes(capabilities: Any) -> Any:
    """The raw capabilities, without `elicitation` if all its modes are unknown.

    An empty object means forms. The SDK's model drops unknown modes, so an object that has only those would
    look like the empty one.
    """
    declared = capabilities.get("elicitation") if isinstance(capabilities, dict) else None
    if not isinstance(declared, dict):
        return capabilities
    modes = {mode for mode, options in declared.items() if options is not None}
    if not modes or not modes.isdisjoint(MODES):
        return capabilities
    return {name: value for name, value in capabilities.items() if name != "elicitation"}
