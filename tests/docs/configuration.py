"""The tables of docs/configuration.md, generated from the declared settings.

python -m tests.docs.configuration
"""

from __future__ import annotations

import re
from typing import Any

from everything_site import conf
from everything_site.variables import about, as_text
from mcp_app.conf import Conf as Mcp
from oauth_app.conf import Conf as OAuth
from tests.docs.markdown import DOCS

PAGE = DOCS / "configuration.md"

OTHER_SERVER: list[conf.AnySetting[Any]] = [
    conf.Environment.auth_mode,
    conf.Environment.auth_server_url,
    conf.Environment.auth_server_port,
    *conf.SEPARATE_ONLY,
]
TABLES: dict[str, list[conf.AnySetting[Any]]] = {
    "this server": [row for row in conf.Environment.declared() if row not in OTHER_SERVER],
    "another authorization server": OTHER_SERVER,
    "mcp_app": [row for row in Mcp.declared() if row not in [*OTHER_SERVER, *conf.DERIVED]],
    "oauth_app": [row for row in OAuth.declared() if row not in conf.DERIVED],
    "computed": conf.DERIVED,
}


def table(name: str) -> str:
    """One table, as Markdown."""
    heading = "Setting" if name == "computed" else "Variable"
    lines = [f"| {heading} | Default | Meaning |", "|---|---|---|"]
    for row in TABLES[name]:
        title = f"`{row.name}`" if name == "computed" else f"`{row.variable}`"
        if row.name != row.variable and name != "computed":
            title += f" (`{row.name}`)"
        default = as_text(row.default)
        shown = row.follows or (f"`{default}`" if default else "none")
        lines.append(f"| {title} | {shown} | {about(row)} |")
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """The page with its tables as they should be."""
    return re.sub(
        r"(<!-- table: ([a-z_ ]+) -->\n).*?(?=<!-- end -->)",
        lambda match: f"{match[1]}{table(match[2])}\n",
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
