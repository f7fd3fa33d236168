"""The doctor: walks what an MCP client walks, and says in plain words what is wrong with a server."""
