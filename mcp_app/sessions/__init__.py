"""Sessions that no process owns: the record, the event log and the streams that read it.

What a session is lies in Redis alone; a process holds copies, running calls and open streams, each of
which another process can take over. This package knows no HTTP, and nothing of what the server demonstrates.
"""
