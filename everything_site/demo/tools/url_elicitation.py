"""A tool that sends the user to a web page: elicitation in URL mode, or the error that requires it.

Specification 2025-11-25 and 2026-07-28, client/elicitation. The error -32042 and elicitation ids exist in
2025-11-25 only; 2026-07-28 has rounds instead.
"""

import secrets
from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import UrlElicitationRequiredError
from mcp.types import CallToolResult, ElicitRequestURLParams, ElicitResult, InputRequiredResult
from pydantic import BaseModel, Field, HttpUrl, TypeAdapter, ValidationError

from everything_site.demo.tools.basics import Boolean
from everything_site.demo.tools.interactive import ASKING
from everything_site.demo.tools.results import text_result
from mcp_app.asking import URL_MODE, ask, can_answer, cannot_be_asked, is_modern, page
from mcp_app.server import SINCE

SAMPLE = "https://modelcontextprotocol.io/"

_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)


class Visit(BaseModel):
    """What the user said to opening a page."""

    url: str = Field(title="URL", description="The page")
    action: str = Field(description="accept, decline or cancel")


async def trigger_url_elicitation(
    ctx: Context,
    url: Annotated[
        str,
        Field(
            title="URL",
            description="The page to open; http or https",
            json_schema_extra={"format": "uri"},
        ),
    ] = SAMPLE,
    message: Annotated[
        str, Field(description="The message shown to the user before the page is opened")
    ] = "Please open the link to complete this action.",
    elicitationId: Annotated[
        str,
        Field(title="Elicitation ID", description="The ID of the elicitation; if empty, one is generated"),
    ] = "",
    errorPath: Annotated[
        Boolean,
        Field(
            title="Fail with an error",
            description="Fail with error -32042 instead of asking; up to 2025-11-25 only",
        ),
    ] = False,
) -> Annotated[CallToolResult, Visit] | InputRequiredResult:
    try:
        # Normalized: the parser tolerates spaces and missing slashes, a client need not.
        url = str(_URL.validate_python(url))
    except ValidationError as error:
        (problem,) = error.errors(include_url=False, include_input=False)
        if problem["type"] == "url_too_long":
            most = problem["ctx"]["max_length"]
            raise ToolError(f"url must have at most {most} characters") from None
        raise ToolError("url must be an http or https URL") from None
    elicitation_id = elicitationId or secrets.token_urlsafe(12)
    request = page(message, url, None if is_modern(ctx) else elicitation_id)
    if errorPath and not is_modern(ctx):
        if not can_answer(ctx, request):
            raise cannot_be_asked(ctx, request)
        assert isinstance(request.params, ElicitRequestURLParams)
        raise UrlElicitationRequiredError([request.params], "This request requires the user to visit a page.")
    answer = await ask(ctx, "visit", request, ElicitResult)
    if isinstance(answer, InputRequiredResult):
        return answer
    if answer.action == "accept" and not is_modern(ctx):
        # The server does not see what happens on the page, so consent counts as completion.
        await ctx.session.send_elicit_complete(elicitation_id, related_request_id=ctx.request_id)
    texts = {
        "accept": f"The user agreed to open {url}.",
        "decline": "The user declined to open the page.",
        "cancel": "The user dismissed the question.",
    }
    return text_result(texts[answer.action], Visit(url=url, action=answer.action))


def register(server: MCPServer) -> None:
    server.add_tool(
        trigger_url_elicitation,
        name="trigger-url-elicitation",
        title="Trigger URL elicitation",
        description="Asks the user to open a web page. With errorPath, the call fails with error -32042 "
        "instead, as if it could not continue before the visit; call again without errorPath afterwards",
        annotations=ASKING,
        meta={SINCE: URL_MODE},
    )
