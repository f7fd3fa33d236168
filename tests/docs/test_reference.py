"""docs/reference.md is made from the docstrings, and every public name has one."""

from __future__ import annotations

from tests.docs import reference
from tests.docs.markdown import code, rows


def test_the_page_is_current() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run python -m tests.docs.reference"


def test_every_public_name_has_a_docstring() -> None:
    assert list(reference.undocumented()) == []


def test_every_public_module_is_in_the_reference() -> None:
    public = {
        code(row["Module of `mcp_app`"])[0] for row in rows("your-own-server.md", "Module of `mcp_app`")
    }
    assert public <= {path.partition(".")[0] for path in reference.MODULES}


def test_the_reference_names_no_addresses_in_memory() -> None:
    assert " at 0x" not in reference.page()
