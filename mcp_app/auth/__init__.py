"""The MCP server as an OAuth resource server: its metadata, and tokens that another server issued."""
