"""The MCP server as an OAuth resource server: its metadata, and verification of tokens."""
