"""The extension: `skills/list`, `skills/get`, `resources/directory/read`, and the files as resources.

Defined for 2026-07-28; the methods also work at older revisions, without caching hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import Any

from mcp.server.extension import MethodBinding, ResourceBinding
from mcp.server.mcpserver.resources import BinaryResource, TextResource
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, PaginatedRequestParams, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

from mcp_app.extensions.skills.skill import SCHEME, Skill, SkillFile
from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.pages import page
from mcp_app.server import Extension

__all__ = ["Skills"]

IDENTIFIER = "io.modelcontextprotocol/skills"
DIRECTORY = "inode/directory"
TTL_MS = 300_000  # the skills change with the server's version only, and are the same for everybody


class GetSkillParams(RequestParams):
    """Parameters of `skills/get`."""

    uri: str


class ReadDirectoryParams(PaginatedRequestParams):
    """Parameters of `resources/directory/read`."""

    uri: str


class Skills(Extension):
    """The skills extension, for the server's constructor.

    Args:
        skills: The skills to serve.
        page_size: Skills, or files of a directory, per page.
    """

    identifier = IDENTIFIER

    def __init__(self, skills: Sequence[Skill], *, page_size: int = 50) -> None:
        self._skills = {skill.uri: skill for skill in skills}
        self._page_size = page_size
        self._directories = _directories(skills)

    def settings(self) -> dict[str, Any]:
        return {"directoryRead": True}

    def resources(self) -> Sequence[ResourceBinding]:
        return [
            ResourceBinding(_resource(skill, file)) for skill in self._skills.values() for file in skill.files
        ]

    def methods(self) -> Sequence[MethodBinding]:
        return (
            MethodBinding("skills/list", PaginatedRequestParams, self._list),
            MethodBinding("skills/get", GetSkillParams, self._get),
            MethodBinding("resources/directory/read", ReadDirectoryParams, self._read_directory),
        )

    async def _list(self, ctx: RequestContext, params: BaseModel) -> dict[str, Any]:
        """skills/list. The files of one skill are never split over pages."""
        assert isinstance(params, PaginatedRequestParams)
        found = list(self._skills.values())
        skills, cursor = page(found, params.cursor, self._page_size, "skills", attrgetter("uri"))
        return _with_cursor({"skills": [skill.entry() for skill in skills], **_freshness(ctx)}, cursor)

    async def _get(self, ctx: RequestContext, params: BaseModel) -> dict[str, Any]:
        """skills/get."""
        assert isinstance(params, GetSkillParams)
        skill = self._skills.get(params.uri)
        if skill is None:
            raise MCPError(INVALID_PARAMS, f"No skill is served at {params.uri}", {"uri": params.uri})
        return {"skill": skill.entry(), **_freshness(ctx)}

    async def _read_directory(self, ctx: RequestContext, params: BaseModel) -> dict[str, Any]:
        """resources/directory/read."""
        assert isinstance(params, ReadDirectoryParams)
        children = self._directories.get(params.uri)
        if children is None:
            raise MCPError(INVALID_PARAMS, f"Not a directory resource: {params.uri}", {"uri": params.uri})
        # The cursor contains the directory, so that it is rejected for another one.
        found, cursor = page(children, params.cursor, self._page_size, params.uri, itemgetter("uri"))
        return _with_cursor({"resources": found}, cursor)


def _freshness(ctx: RequestContext) -> dict[str, Any]:
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return {}
    return {"ttlMs": TTL_MS, "cacheScope": "public"}


def _with_cursor(result: dict[str, Any], cursor: str | None) -> dict[str, Any]:
    return result if cursor is None else {**result, "nextCursor": cursor}


def _resource(skill: Skill, file: SkillFile) -> TextResource | BinaryResource:
    is_manifest = file.uri == skill.uri
    common: dict[str, Any] = {
        "uri": file.uri,
        "name": skill.name if is_manifest else file.uri.rpartition("/")[2],
        "description": skill.description if is_manifest else None,
        "mime_type": file.mime_type,
    }
    if file.mime_type.startswith("text/"):
        return TextResource(**common, text=file.data.decode("utf-8"))
    return BinaryResource(**common, data=file.data)


def _directories(skills: Sequence[Skill]) -> dict[str, list[dict[str, Any]]]:
    """The direct children of every directory, including folders that only contain skills."""
    children: dict[str, dict[str, dict[str, Any]]] = {}
    for skill in skills:
        for file in skill.files:
            listed = _resource(skill, file)
            child: dict[str, Any] = {"uri": file.uri, "name": listed.name, "mimeType": file.mime_type}
            if listed.description is not None:
                child["description"] = listed.description
            uri = file.uri
            while (parent := uri.rpartition("/")[0]) and parent + "/" != SCHEME:
                children.setdefault(parent, {})[uri] = child
                uri = parent
                child = {"uri": uri, "name": uri.rpartition("/")[2], "mimeType": DIRECTORY}
    return {uri: [found[name] for name in sorted(found)] for uri, found in children.items()}
