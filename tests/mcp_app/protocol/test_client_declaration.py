"""What counts as declared: elicitation with only unknown modes does not."""

from typing import Any

import pytest

from mcp_app.protocol.client_declaration import without_unknown_modes


@pytest.mark.parametrize("elicitation", [{"voice": {}}, {"voice": {}, "form": None}, {"FORM": {}}])
def test_an_elicitation_capability_without_a_known_mode_counts_as_none(elicitation: Any) -> None:
    assert without_unknown_modes({"elicitation": elicitation, "roots": {}}) == {"roots": {}}


@pytest.mark.parametrize(
    "capabilities",
    [
        {"elicitation": {}},
        {"elicitation": {"form": {}, "voice": {}}},
        {"elicitation": {"url": {}}},
        {"elicitation": {"form": None}},
        {"elicitation": None},
        {"elicitation": []},
        {"sampling": {"voice": {}}},
        {},
        None,
        "text",
    ],
)
def test_everything_else_is_left_as_it_is(capabilities: Any) -> None:
    assert without_unknown_modes(capabilities) == capabilities
