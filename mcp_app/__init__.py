"""The MCP side of Everything Server: what it demonstrates, its sessions and its transports."""

__version__ = "0.1.0"
