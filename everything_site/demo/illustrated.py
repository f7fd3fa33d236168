"""Adds titles and icons to the resources of extensions, which only have names."""

from collections.abc import Sequence
from dataclasses import replace

from mcp.server.apps import Apps
from mcp.server.extension import ResourceBinding

from everything_site.demo.images import icons
from mcp_app.extensions.skills.extension import Skills


def illustrated(bindings: Sequence[ResourceBinding]) -> list[ResourceBinding]:
    """The resources with icons, and with titles derived from their names if they have none."""
    return [
        replace(
            binding,
            resource=binding.resource.model_copy(
                update={
                    "title": binding.resource.title or in_words(binding.resource.name or ""),
                    "icons": binding.resource.icons or icons(),
                }
            ),
        )
        for binding in bindings
    ]


def in_words(name: str) -> str:
    """`try-everything` and `minutes.md` as people would write them."""
    return name.removesuffix(".md").replace("-", " ").replace("_", " ").capitalize()


class IllustratedApps(Apps):
    """The SDK's apps extension, with icons on the pages."""

    def resources(self) -> Sequence[ResourceBinding]:
        return illustrated(super().resources())


class IllustratedSkills(Skills):
    """The skills extension, with titles and icons on the files."""

    def resources(self) -> Sequence[ResourceBinding]:
        return illustrated(super().resources())
