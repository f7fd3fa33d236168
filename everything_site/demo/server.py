"""Builds the demonstration server: an SDK `MCPServer` with all tools, resources, prompts and extensions."""

from pathlib import Path
from typing import Any

from django.conf import settings
from mcp.server import CacheHint
from mcp.server.mcpserver import MCPServer

from everything_site.demo import completions, fixtures, messages, prompts, resources, simulations, tools
from everything_site.demo.illustrated import IllustratedSkills
from everything_site.demo.images import icons
from everything_site.demo.mcp_apps import hello_world
from everything_site.demo.names import NamedServer, for_all_names, in_words
from everything_site.demo.notes import Notes, NoteStore
from everything_site.demo.tools import gzipping, tasks
from everything_site.demo.tools import notes as note_tools
from everything_site.demo.tools.gzipping import Gzipped
from everything_site.demo.user_notes import UserNotes
from mcp_app import __version__
from mcp_app.extensions.skills.extension import Skills
from mcp_app.extensions.skills.skill import load_skills
from mcp_app.extensions.tasks.extension import Tasks
from mcp_app.extensions.tasks.support import TaskSupport
from mcp_app.server import Engine

NAME = "everything-server"
TITLE = "Everything Server"
DESCRIPTION = "Demonstrates every feature of the Model Context Protocol, for people who build clients."
INSTRUCTIONS = (
    "A server that demonstrates every feature of the Model Context Protocol, for people who build clients. "
    "Nothing here does real work: call any tool, read any resource, get any prompt, and watch the traffic. "
    "echo and add answer immediately, longRunningOperation reports progress, sampleLLM and elicitInputs "
    "ask you something, slow_compute can run as a task since 2026-07-28, resources are paginated, and "
    "create-note creates one that only you can see. "
    "The skill skill://try-everything/SKILL.md is a guided tour."
)

SKILLS = Path(__file__).with_name("skills")

# Cache hints of 2026-07-28 (server/utilities/caching). The lists rarely change and clients are notified, so
# five minutes is only the worst case for a client that does not listen. Lists that are the same for everybody
# are public; resources differ between users, so they are private.
_PUBLIC = CacheHint(ttl_ms=300_000, scope="public")
_PRIVATE = CacheHint(ttl_ms=60_000, scope="private")
CACHE_HINTS: dict[Any, CacheHint] = {
    "server/discover": _PUBLIC,
    "tools/list": _PUBLIC,
    "prompts/list": _PUBLIC,
    "resources/templates/list": _PUBLIC,
    "resources/list": _PRIVATE,
    "resources/read": _PRIVATE,
}


def skills() -> Skills:
    """The skills extension with the skills of this folder (SEP-2640), in pages of two to show pagination."""
    return IllustratedSkills(load_skills(SKILLS), page_size=2)


def task_tools(*, with_fixtures: bool = False) -> dict[str, TaskSupport]:
    """The tools that can become tasks (SEP-2663)."""
    support = {**tasks.SUPPORT, **note_tools.SUPPORT, **(fixtures.TASK_SUPPORT if with_fixtures else {})}
    return for_all_names(support)


def build(engine: Engine) -> MCPServer[Any]:
    """The server that `MCP_SERVER` names by default."""
    return assemble(
        engine,
        note_store=UserNotes(),
        with_fixtures=settings.CONFORMANCE_FIXTURES,
    )


def assemble(
    engine: Engine,
    *,
    note_store: NoteStore,
    with_fixtures: bool = False,
) -> MCPServer[Any]:
    """Build a server on an engine.

    Args:
        engine: The engine.
        note_store: Storage for notes.
        with_fixtures: Whether to add the fixtures of the conformance suite.
    """
    notes, gzipped = Notes(note_store), Gzipped()
    server = NamedServer(
        NAME,
        title=TITLE,
        icons=icons(),
        description=DESCRIPTION,
        website_url=settings.PAGES["Documentation"],
        instructions=in_words(INSTRUCTIONS),
        version=__version__,
        # Tools with explicit schemas must be passed here: the decorators always derive the schema.
        tools=fixtures.schema_tools() if with_fixtures else None,
        cache_hints=CACHE_HINTS,
        **engine.options(
            extensions=[hello_world.extension(), skills(), Tasks(task_tools(with_fixtures=with_fixtures))],
            resources=[gzipped, notes],
        ),
    )
    tools.register(server)
    resources.register(server, engine)
    prompts.register(server)
    if with_fixtures:
        fixtures.register(server)
    gzipping.register(server, gzipped)
    note_tools.register(server, notes, engine)
    completions.register(
        server,
        prompts={**completions.PROMPTS, **(fixtures.PROMPT_SUGGESTIONS if with_fixtures else {})},
        templates={**completions.TEMPLATES, **(fixtures.TEMPLATE_SUGGESTIONS if with_fixtures else {})},
    )
    engine.while_listening(simulations.simulate)
    engine.add_middleware(messages.announce_level, "logging/setLevel")
    return server
