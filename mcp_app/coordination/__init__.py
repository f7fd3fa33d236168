"""What the processes share besides sessions: connections to Redis, messages, leases. No MCP."""
