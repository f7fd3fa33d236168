"""The MCP engine: sessions that no process owns, the protocol and its transports."""

__version__ = "0.1.0"
