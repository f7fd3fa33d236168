"""Tools that become tasks if the client supports them (SEP-2663), and otherwise run like any other.

Their code is the same for both: progress becomes a task's status message, and a question becomes a task's
input request, a round of 2026-07-28, or a request of an older revision.
"""

from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import CallToolResult, ElicitResult, InputRequiredResult
from pydantic import BaseModel, Field

from everything_site.demo.tools.basics import PURE, Boolean, Number, plain
from everything_site.demo.tools.interactive import ASKING
from everything_site.demo.tools.results import text_result
from everything_site.demo.words import plural
from mcp_app.asking import ELICITATION, ask, form
from mcp_app.extensions.tasks.support import TaskSupport
from mcp_app.server import SINCE

MAX_NAME = 200  # characters of a label, a file name or a topic, which a task stores and repeats

STAGE_SECONDS = 1.0
STAGES = ("Gathering sources", "Analyzing content", "Synthesizing findings", "Generating report")
CLARIFY_AT = 2  # the stage before which the tool asks about an ambiguous topic

INTERPRETATIONS = ("technical", "historical", "popular")

SUPPORT = {
    "slow_compute": TaskSupport(),
    "confirm_delete": TaskSupport(),
    "simulate-research-query": TaskSupport(),
}


class Computation(BaseModel):
    """What was computed."""

    label: str = Field(description="The label")
    seconds: float = Field(description="How long it took")


class Deletion(BaseModel):
    """What became of a file that never existed."""

    filename: str = Field(title="File name", description="The file")
    deleted: bool = Field(description="Whether the user confirmed that it is deleted")


class Research(BaseModel):
    """What was researched."""

    topic: str = Field(description="The topic")
    interpretation: str | None = Field(default=None, description="How the topic was meant, if that was asked")
    stages: list[str] = Field(description="The stages that were run")


async def slow_compute(
    ctx: Context,
    seconds: Annotated[
        Number, Field(ge=0, le=300, title="Duration in seconds", description="How long it takes, in seconds")
    ],
    label: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_NAME,
            description="A label for the computation, repeated in its result",
        ),
    ] = "slow",
) -> Annotated[CallToolResult, Computation]:
    length = f"{plain(seconds)} {plural('second', seconds)}"
    done = 0.0
    while done < seconds:
        step = min(1.0, seconds - done)
        await anyio.sleep(step)
        done += step
        await ctx.report_progress(done, seconds, f"Computing {label}: {done:g} of {length}")
    return text_result(f"{label}: computed for {length}.", Computation(label=label, seconds=seconds))


CONFIRM: dict[str, Any] = {
    "type": "object",
    "properties": {"confirm": {"type": "boolean", "title": "Delete it", "description": "Whether to delete"}},
    "required": ["confirm"],
}


async def confirm_delete(
    ctx: Context,
    filename: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_NAME,
            title="File name",
            description="The file to delete; nothing is really deleted",
        ),
    ],
) -> Annotated[CallToolResult, Deletion] | InputRequiredResult:
    answer = await ask(ctx, "confirmation", form(f"Delete {filename}?", CONFIRM), ElicitResult)
    if isinstance(answer, InputRequiredResult):
        return answer
    confirmed = answer.action == "accept" and (answer.content or {}).get("confirm") is True
    text = f"{filename} was deleted (not really)." if confirmed else f"{filename} was kept."
    return text_result(text, Deletion(filename=filename, deleted=confirmed))


CLARIFICATION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "interpretation": {
            "type": "string",
            "title": "Interpretation",
            "description": "How to interpret the topic",
            "enum": list(INTERPRETATIONS),
        }
    },
    "required": ["interpretation"],
}


async def simulate_research_query(
    ctx: Context,
    topic: Annotated[
        str, Field(min_length=1, max_length=MAX_NAME, description="The research topic to investigate")
    ],
    ambiguous: Annotated[
        Boolean, Field(description="Treat the topic as ambiguous and ask what is meant")
    ] = False,
) -> Annotated[CallToolResult, Research] | InputRequiredResult:
    meaning, chosen = "", None
    first = 0
    if ambiguous:
        # If the answer is already there, the first stages were run in the previous round.
        has_answer = "interpretation" in (ctx.input_responses or {})
        if not has_answer:
            await _stages(ctx, topic, 0, CLARIFY_AT)
        request = form(f"The topic '{topic}' is ambiguous. Which interpretation is meant?", CLARIFICATION)
        answer = await ask(ctx, "interpretation", request, ElicitResult)
        if isinstance(answer, InputRequiredResult):
            return answer
        chosen = (answer.content or {}).get("interpretation") if answer.action == "accept" else None
        meaning = f" ({chosen or 'no interpretation chosen'})"
        first = CLARIFY_AT
    await _stages(ctx, topic, first, len(STAGES))
    lines = [f"Research report: {topic}{meaning}", *(f"- {stage}: done" for stage in STAGES)]
    text = "\n".join([*lines, "This research was simulated; nothing was looked up."])
    return text_result(text, Research(topic=topic, interpretation=chosen, stages=list(STAGES)))


async def _stages(ctx: Context, topic: str, first: int, end: int) -> None:
    for number in range(first, end):
        await ctx.report_progress(number, len(STAGES), f"{STAGES[number]}: {topic}")
        await anyio.sleep(STAGE_SECONDS)
    if end == len(STAGES):
        await ctx.report_progress(end, len(STAGES), f"Done: {topic}")


def register(server: MCPServer) -> None:
    server.add_tool(
        slow_compute,
        title="Slow computation",
        description="Runs for the given time and can be cancelled; runs as a task if the client "
        "supports tasks",
        annotations=PURE,
    )
    server.add_tool(
        confirm_delete,
        title="Confirm a deletion",
        description="Asks for confirmation, then pretends to delete a file; shows how a running task "
        "asks a question",
        annotations=ASKING,
        meta={SINCE: ELICITATION},
    )
    server.add_tool(
        simulate_research_query,
        name="simulate-research-query",
        title="Simulate a research query",
        description="Simulates research in four stages; runs as a task if the client supports tasks. "
        "If the topic is ambiguous, asks what is meant",
        annotations=ASKING,
    )
