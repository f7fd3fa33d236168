"""Builds the server: an SDK `MCPServer` with everything that is demonstrated, and nothing around it."""

from collections.abc import Sequence
from pathlib import Path

from mcp.server import CacheHint
from mcp.server.extension import Extension
from mcp.server.mcpserver import MCPServer, RequestStateSecurity
from mcp.server.subscriptions import SubscriptionBus
from mcp.server.transport_security import TransportSecuritySettings

from everything_site.demo import completions, notes, prompts, resources, tools
from everything_site.demo import fixtures as conformance
from everything_site.demo.apps import hello_world
from everything_site.demo.illustrated import IllustratedSkills
from everything_site.demo.images import icon
from everything_site.demo.notes import NoteStore
from everything_site.demo.tools import gzipping, tasks
from everything_site.demo.tools import notes as note_tools
from everything_site.demo.tools.gzipping import SessionFiles
from mcp_app import __version__
from mcp_app.extensions.skills.extension import Skills
from mcp_app.extensions.skills.skill import load_skills
from mcp_app.extensions.tasks.support import TaskSupport
from mcp_app.protocol import older_revisions as revisions
from mcp_app.protocol import pages as pagination
from mcp_app.protocol import rounds, session_features, tracing
from mcp_app.protocol.capabilities import CompleteCapabilities
from mcp_app.protocol.error_codes import SpecifiedErrors
from mcp_app.protocol.existence import Existence
from mcp_app.protocol.server_info import name_server_briefly
from mcp_app.protocol.tool_server import ToolServer
from mcp_app.resources import Source, never_fresh
from mcp_app.sdk import CacheableMethod

NAME = "everything-server"
TITLE = "Everything Server"
INSTRUCTIONS = (
    "A server that shows every feature of the Model Context Protocol, for people who build clients. "
    "Nothing here does real work: call any tool, read any resource, get any prompt and watch the wire. "
    "echo and add answer at once, longRunningOperation reports progress, sampleLLM and elicitInputs ask "
    "you something, slow_compute becomes a task, resources come in pages, and create-note makes one that "
    "is yours alone. The skill skill://try-everything/SKILL.md is a guided tour."
)

SKILLS = Path(__file__).with_name("skills")

MAX_BODY_SIZE = 4 * 1024 * 1024

# Freshness of 2026-07-28 (server/utilities/caching). The lists change rarely and changes are announced,
# so five minutes is only the worst case for a client that does not listen. What everybody sees alike is
# public; resources may come to differ from user to user, so they are private.
_PUBLIC = CacheHint(ttl_ms=300_000, scope="public")
_PRIVATE = CacheHint(ttl_ms=60_000, scope="private")
CACHE_HINTS: dict[CacheableMethod, CacheHint] = {
    "server/discover": _PUBLIC,
    "tools/list": _PUBLIC,
    "prompts/list": _PUBLIC,
    "resources/templates/list": _PUBLIC,
    "resources/list": _PRIVATE,
    "resources/read": _PRIVATE,
}


def skills() -> Skills:
    """The skills extension with the skills of this folder (SEP-2640), in pages of two to show pages."""
    return IllustratedSkills(load_skills(SKILLS), pagination.page, page_size=2)


def task_tools(*, fixtures: bool = False) -> dict[str, TaskSupport]:
    """The tools that become tasks where the tasks extension is served (SEP-2663)."""
    return {**tasks.SUPPORT, **note_tools.SUPPORT, **(conformance.TASK_SUPPORT if fixtures else {})}


def build_server(
    *,
    fixtures: bool = False,
    request_state_security: RequestStateSecurity | None = None,
    subscriptions: SubscriptionBus | None = None,
    max_body_size: int = MAX_BODY_SIZE,
    extensions: Sequence[Extension] = (),
    session_files: SessionFiles | None = None,
    note_store: NoteStore | None = None,
) -> MCPServer:
    """A server with its session manager ready; `fixtures` adds what the conformance suite calls.

    Several processes that serve the same clients need one `request_state_security` (shared keys) and
    one `subscriptions` bus between them. The defaults serve a single process. `extensions` are those that
    need more than this folder has; `session_files` keeps what a session's own resources hold, and
    `note_store` what a user's notes hold: without it there are no notes.
    """
    extensions = [hello_world.extension(), skills(), *extensions]
    server = ToolServer(
        NAME,
        title=TITLE,
        icons=[icon()],
        instructions=INSTRUCTIONS,
        version=__version__,
        # Tools with a schema of their own can only be given here: the decorators derive every schema.
        tools=conformance.schema_tools() if fixtures else None,
        extensions=extensions,
        request_state_security=request_state_security,
        cache_hints=CACHE_HINTS,
        subscriptions=subscriptions,
    )
    # Called for its side effect: the session manager, and through it the low-level server, by a public path.
    # The SDK's own host and origin check is off because the transports in front of this server do it,
    # for all revisions alike and with our settings.
    server.streamable_http_app(
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=max_body_size,
    )
    app = server.session_manager.app
    tracing.drop_unless_configured(app)

    tools.register(server)
    resources.register(server)
    prompts.register(server)
    if fixtures:
        conformance.register(server)

    # Resources that differ from one requester to the next: a session's files, a user's notes.
    gzipped = gzipping.register(server, session_files)
    sources: list[Source] = [gzipped.listed]
    live: dict[str, completions.Suggest] = {gzipping.TEMPLATE: gzipped.suggest}
    if note_store is not None:
        own = notes.register(server, note_store)
        note_tools.register(server, own)
        sources.append(own.listed)
        live[notes.TEMPLATE] = own.suggest
    existence = Existence(server, sources)
    server.middleware.append(existence.listen)
    session_features.register(app, existence.exists)
    pagination.register(server, app, sources, is_live=note_store is not None)
    revisions.register(app)
    completions.register(
        server,
        app,
        prompts={**completions.PROMPTS, **(conformance.PROMPT_SUGGESTIONS if fixtures else {})},
        templates={**completions.TEMPLATES, **(conformance.TEMPLATE_SUGGESTIONS if fixtures else {})},
        live=live,
    )

    find_schema = app.get_tool_input_schema
    assert find_schema is not None, "MCPServer sets it; without it no tool's existence can be told"
    listing = app.get_request_handler("tools/list")
    assert listing is not None
    server.middleware.append(CompleteCapabilities(extensions))
    server.middleware.append(never_fresh)
    server.middleware.append(name_server_briefly)
    server.middleware.append(SpecifiedErrors(lambda name: find_schema(name) is not None, listing.handler))
    rounds.register(server, max_body_size)
    return server
