"""Sessions that no process owns: the record, the event log and the streams that read it.

A session exists only in Redis; a process has copies, running calls and open streams, all of which another
process can take over. This package knows nothing of HTTP or of the demonstration server.
"""
