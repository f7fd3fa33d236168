"""Tasks (`io.modelcontextprotocol/tasks`, SEP-2663): tool calls that outlive their request.

A task exists in Redis: its record, its questions and its result. A process only runs a round of it under a
lease. `support` declares which tools become tasks, `store` stores them, `runs` runs them, `extension`
implements the protocol and `listen` sends notifications. Nothing here depends on a particular tool.
"""
