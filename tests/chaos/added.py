"""What `next_release` adds; it cannot be imported here without changing this release."""

from __future__ import annotations

ADDED = {"added": "by the next release"}

IN_SCRIPTS = {
    "local entry = {'stream', stream,": "local entry = {'added', 'by the next release', 'stream', stream,",
    "'*', 'stream', 'pending', 'data', data)": "'*', 'added', '', 'stream', 'pending', 'data', data)",
}
"""What is added to the entries of event logs and of pending messages."""
