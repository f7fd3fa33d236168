"""A tool that compresses data to a resource: of the session if there is one, otherwise embedded.

The reference server fetches any URL, which allows server-side request forgery. Here the data are passed as a
`data:` URI (RFC 2397), and nothing is fetched.
"""

import base64
import binascii
import gzip
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import unquote_to_bytes

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    Resource,
    ResourceLink,
    ResourceTemplate,
    ToolAnnotations,
)
from pydantic import BaseModel, ConfigDict, Field

from everything_site.demo.images import icons
from everything_site.demo.tools.results import text_result, with_value
from mcp_app.resources import Person, PersonalResources
from mcp_app.server import TooMuchData, find_session

PREFIX = "session://files/"
TEMPLATE = PREFIX + "{name}"
MIME_TYPE = "application/gzip"
MAX_BYTES = 1024 * 1024  # before compression; well within the limit of a request
MAX_ENCODED_BYTES = (MAX_BYTES + 2) // 3 * 4  # the same in base64
PIECE = 64 * 1024  # decoded at a time: while Python decodes, nothing else runs, not even in other threads
MAX_FILES = 20  # per session
_VALUES = "files/"  # prefix of session data that are files
SAMPLE = "data:text/plain,Hello%20from%20Everything%20Server"

# Adds a file to the session, or replaces the one with the same name; nothing outside is accessed.
FILING = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)


class Compressed(BaseModel):
    """The compressed file."""

    model_config = ConfigDict(title="Compressed file")

    uri: str = Field(title="URI", description="The URI of the file")
    size: int = Field(description="Its size, in bytes")
    stored: bool = Field(description="Whether it can be read as a resource of this session")


def decode_data_uri(uri: str) -> bytes:
    """The data of a `data:` URI.

    Raises:
        ValueError: It is not a valid `data:` URI, or too long.
    """
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme.lower() != "data":
        raise ValueError("only data: URIs are accepted; nothing is fetched")
    head, comma, body = rest.partition(",")
    if not comma:
        raise ValueError("a data: URI needs a comma before its data")
    if not head.lower().endswith(";base64"):
        return _unquote(body, MAX_BYTES)
    try:
        data = base64.b64decode(_unquote(body, MAX_ENCODED_BYTES), validate=True)
    except binascii.Error:
        raise ValueError("the data is not valid base64") from None
    if len(data) > MAX_BYTES:
        raise _too_long()
    return data


def _unquote(text: str, most: int) -> bytes:
    """Percent-decode a text to at most `most` bytes.

    Raises:
        ValueError: It has more.
    """
    if len(text) > 3 * most:  # each byte takes at most three characters
        raise _too_long()
    data = bytearray()
    start = 0
    while start < len(text):
        end = start + PIECE
        if (escape := text.rfind("%", end - 2, end)) >= 0:  # not within `%41`
            end = escape
        data += unquote_to_bytes(text[start:end])
        if len(data) > most:
            raise _too_long()
        start = end
    return bytes(data)


def _too_long() -> ValueError:
    return ValueError(f"the data is longer than {MAX_BYTES} bytes")


def compress(uri: str) -> bytes:
    """The data of a `data:` URI as gzip.

    Raises:
        ValueError: See `decode_data_uri`.
    """
    # A fixed time makes the output deterministic, so that the tool is idempotent. Level 9 can take thirty
    # times as long as 6, for hardly smaller output.
    return gzip.compress(decode_data_uri(uri), 6, mtime=0)


def uri_of(name: str) -> str:
    return PREFIX + name


class Gzipped(PersonalResources):
    """The files of a session as resources, and the tool that creates them."""

    template = ResourceTemplate(
        uri_template=TEMPLATE,
        name="Session file",
        title="File of this session",
        description="A file created by gzip-file-as-resource; deleted when the session ends",
        mime_type=MIME_TYPE,
        icons=icons(),
    )

    async def gzip_file_as_resource(
        self,
        ctx: Context,
        data: Annotated[
            str,
            Field(description="The content to compress, as a data: URI", json_schema_extra={"format": "uri"}),
        ] = SAMPLE,
        name: Annotated[
            str,
            Field(
                pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$",
                description="Name of the compressed file: letters, digits, dot, dash and underscore",
            ),
        ] = "README.md.gz",
        outputType: Annotated[
            Literal["resourceLink", "resource"],
            Field(
                title="Output type",
                description="A link to a resource of this session, or the resource itself",
            ),
        ] = "resourceLink",
    ) -> Annotated[CallToolResult, Compressed]:
        try:
            # In a thread, as compression is CPU-bound.
            compressed = await anyio.to_thread.run_sync(compress, data)
        except ValueError as error:
            raise ToolError(str(error)) from error
        session = find_session(ctx.request_context)
        value = Compressed(uri=uri_of(name), size=len(compressed), stored=session is not None)
        if session is not None:
            try:
                is_new = await session.data.set(_VALUES + name, compressed, most=MAX_FILES, prefix=_VALUES)
            except TooMuchData as error:
                raise ToolError(f"the file cannot be stored: {error}") from None
            # Not over the bus: the same URI is a different file in every session.
            if is_new:
                await ctx.session.send_resource_list_changed()
            elif uri_of(name) in session.record.subscriptions:
                await ctx.session.send_resource_updated(uri_of(name))
        if session is not None and outputType == "resourceLink":
            link = ResourceLink(
                type="resource_link",
                uri=uri_of(name),
                name=name,
                description=f"{name}, readable until this session ends",
                mime_type=MIME_TYPE,
                size=len(compressed),
            )
            return with_value(value, link)
        contents = BlobResourceContents(
            uri=uri_of(name), mime_type=MIME_TYPE, blob=base64.b64encode(compressed).decode()
        )
        embedded = EmbeddedResource(type="resource", resource=contents)
        if outputType == "resource":
            return with_value(value, embedded)
        return text_result(
            "There is no session to store the file in, so it is embedded here:", value, embedded
        )

    def owns(self, uri: str) -> bool:
        return uri.startswith("session:")

    async def list(self, person: Person) -> Sequence[tuple[str, Resource]]:
        return [
            (name, Resource(uri=uri_of(name), name=name, title=name, mime_type=MIME_TYPE, icons=icons()))
            for name in await self._names(person)
        ]

    async def read(self, person: Person, uri: str) -> bytes | None:
        if person.session is None or not uri.startswith(PREFIX):
            return None
        return await person.session.data.get(_VALUES + uri.removeprefix(PREFIX))

    async def complete(self, person: Person, variable: str, known: Mapping[str, str]) -> Sequence[str]:
        return await self._names(person) if variable == "name" else []

    async def _names(self, person: Person) -> Sequence[str]:
        if person.session is None:
            return []
        return sorted(name.removeprefix(_VALUES) for name in await person.session.data.names(_VALUES))


def register(server: MCPServer, gzipped: Gzipped) -> None:
    server.add_tool(
        gzipped.gzip_file_as_resource,
        name="gzip-file-as-resource",
        title="Gzip a file as a resource",
        description="Compresses data with gzip into a resource of this session; accepts data: URIs only",
        annotations=FILING,
    )
