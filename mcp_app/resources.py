"""Per-person resources: see `PersonalResources`."""

from mcp_app.protocol.personal import Person, PersonalResources, current_person

__all__ = ["Person", "PersonalResources", "current_person"]
