"""What a person can grant, in the words of the consent page."""

PROTOCOL_SCOPE = "mcp"
ADMIN_SCOPE = "mcp:admin"

SCOPES = {
    PROTOCOL_SCOPE: "Use the tools, resources and prompts of this server in your name",
    ADMIN_SCOPE: "Use the tools that look into the server itself, such as the versions it is made of",
    "offline_access": "Stay connected while you are away",
}
