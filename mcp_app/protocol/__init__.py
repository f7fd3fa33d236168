"""The rules of MCP on top of the SDK. It knows neither Django nor Redis nor HTTP."""
