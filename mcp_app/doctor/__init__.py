"""The doctor: takes the steps of an MCP client, and explains what is wrong with a server."""
