"""Tasks (`io.modelcontextprotocol/tasks`, SEP-2663): tool calls that outlive their request.

A task lives in Redis: its record, the questions it asks and its result. A process merely runs a round of
it under a lease. `support` says which tools become tasks, `store` keeps them, `runs` runs them,
`extension` speaks the protocol and `listen` announces changes. Nothing here knows any particular tool.
"""
