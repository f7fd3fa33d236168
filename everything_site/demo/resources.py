"""A hundred static resources, alternating text and binary, and their template."""

import base64
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.server.mcpserver.resources import BinaryResource, TextResource
from mcp.types import (
    BlobResourceContents,
    EmbeddedResource,
    ResourceLink,
    TextResourceContents,
)

from everything_site.demo.images import icons
from mcp_app.server import Engine

COUNT = 100
TEMPLATE = "test://static/resource/{id}"
BINARY_TYPE = "application/octet-stream"


def uri_of(number: int) -> str:
    return TEMPLATE.format(id=number)


def static_resource(number: int) -> TextResource | BinaryResource:
    """One of the hundred: text for the odd numbers, bytes for the even ones."""
    common: dict[str, Any] = {
        "uri": uri_of(number),
        "name": f"Resource {number}",
        "title": f"Static resource {number}",
        "icons": icons(),
    }
    if number % 2:
        text = f"Resource {number}: This is a plaintext resource"
        return TextResource(**common, mime_type="text/plain", text=text)
    data = f"Resource {number}: This is a base64 blob".encode()
    return BinaryResource(**common, mime_type=BINARY_TYPE, data=data)


def embedded(number: int) -> EmbeddedResource:
    """One of the hundred as a content block."""
    resource = static_resource(number)
    contents: TextResourceContents | BlobResourceContents
    if isinstance(resource, TextResource):
        contents = TextResourceContents(uri=resource.uri, mime_type=resource.mime_type, text=resource.text)
    else:
        blob = base64.b64encode(resource.data).decode()
        contents = BlobResourceContents(uri=resource.uri, mime_type=resource.mime_type, blob=blob)
    return EmbeddedResource(type="resource", resource=contents)


def link_to(number: int) -> ResourceLink:
    """A link to one of the hundred as a content block."""
    resource = static_resource(number)
    kind = "plaintext" if number % 2 else "binary"
    return ResourceLink(
        type="resource_link",
        uri=resource.uri,
        name=resource.name or resource.uri,
        description=f"Resource {number}: a {kind} resource",
        mime_type=resource.mime_type,
    )


async def leave_out_mime_type(ctx: ServerRequestContext[Any, Any], call_next: Any) -> Any:
    """A middleware that removes the MIME type of the template, as its resources have different ones.

    The SDK's default is text/plain. Specification, schema of `ResourceTemplate`: a type must only be given if
    all matching resources have it.
    """
    result = await call_next(ctx)
    if not isinstance(result, dict):
        return result
    templates = [
        {name: value for name, value in template.items() if name != "mimeType"}
        if template["uriTemplate"] == TEMPLATE
        else template
        for template in result["resourceTemplates"]
    ]
    return {**result, "resourceTemplates": templates}


async def unlisted(id: str) -> str:
    """Called for numbers that match the template but do not exist."""
    raise ResourceNotFoundError(f"Unknown resource: {TEMPLATE.format(id=id)}")


def register(server: MCPServer, engine: Engine) -> None:
    """Add the resources, and the template that clients can complete and expand.

    The SDK looks up resources first, so the template's function is called for other numbers only.
    """
    for number in range(1, COUNT + 1):
        server.add_resource(static_resource(number))
    server.resource(
        TEMPLATE,
        name="Static Resource",
        title="Static resource",
        description="A static resource with a numeric ID",
        icons=icons(),
    )(unlisted)
    engine.add_middleware(leave_out_mime_type, "resources/templates/list")
