"""What processes share besides sessions: connections to Redis, messages, leases. It knows nothing of MCP."""
