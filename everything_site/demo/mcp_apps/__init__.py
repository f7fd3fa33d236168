"""MCP Apps: tools that come with a user interface (`io.modelcontextprotocol/ui`)."""
