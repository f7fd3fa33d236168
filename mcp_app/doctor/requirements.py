"""What the directories of servers ask for.

The lists are those of November 2026: Claude's connector directory, ChatGPT's apps, Docker's MCP catalog, and
the registry of modelcontextprotocol.io.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HINTS = ("readOnlyHint", "destructiveHint", "openWorldHint")


@dataclass(frozen=True)
class Requirements:
    """What one directory asks for.

    Attributes:
        name: Its name, for people.
        redirect_uris: Where it sends those who sign in.
        hints: The annotations that each tool must have; with `any_hint`, one of them is enough.
        titles: Whether each tool must have a title.
        one_style: Whether names of tools must be in snake case or kebab case.
        schemas: Whether there must be output schemas.
        tools: Whether it asks for anything of tools.
        pages: The pages that must be named.
        icon: Whether there must be an icon; `themes`, whether one for each theme.
        max_title_length: The maximum length of the server's title, in characters.
        challenge: The file by which it verifies the domain.
        card: Whether there must be a card (SEP-2127).
        state_bytes: The length of the `state` that it sends.
        by_hand: What cannot be seen from outside.
    """

    name: str
    redirect_uris: Sequence[str] = ()
    hints: Sequence[str] = ()
    any_hint: bool = False
    titles: bool = False
    one_style: bool = False
    schemas: bool = False
    tools: bool = True
    pages: Sequence[str] = ()
    icon: bool = False
    themes: bool = False
    max_title_length: int = 100
    challenge: str = ""
    card: bool = False
    state_bytes: int = 16
    by_hand: str = ""


DIRECTORIES = {
    "claude": Requirements(
        "Claude's directory",
        ("https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"),
        hints=HINTS[:2],
        any_hint=True,
        titles=True,
        one_style=True,
        pages=("documentation", "privacy", "terms", "support"),
        by_hand="three example prompts, a test account with data, and for apps three to five screenshots",
    ),
    "chatgpt": Requirements(
        "ChatGPT's directory",
        (
            "https://chatgpt.com/connector_platform_oauth_redirect",
            "https://platform.openai.com/apps-manage/oauth",
        ),
        hints=HINTS,
        schemas=True,
        pages=("documentation", "privacy", "terms", "support"),
        icon=True,
        themes=True,
        max_title_length=30,
        challenge="openai-apps-challenge",
        state_bytes=330,  # 440 characters
        by_hand="test prompts with what should happen, a test account with data, and a verified publisher",
    ),
    "docker": Requirements(
        "Docker's catalog",
        pages=("documentation",),
        icon=True,
        by_hand="a pull request with server.yaml of type remote, tools.json and readme.md",
    ),
    "registry": Requirements(
        "the MCP registry",
        tools=False,
        card=True,
        challenge="mcp-registry-auth",
        by_hand="publishing the output of `manage.py server_json`, or a server.json, with mcp-publisher",
    ),
}
