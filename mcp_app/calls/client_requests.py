"""Requests of the server to the client: sampling, elicitation, roots.

The client may POST its answer to any process. The request's id names the address of the process that
waits, so the answer finds its way without a look-up; the answer itself waits in Redis until it is
taken, so that it is not lost with a message between processes.
"""

from __future__ import annotations
