"""What `next_release` adds; it cannot be imported here without changing this release."""

from __future__ import annotations

ADDED = {"added": "by the next release"}

IN_SCRIPTS = {
    "'follows', last[2] or '0-0'}": "'follows', last[2] or '0-0', 'added', 'by the next release'}",
    "{'stream', 'pending', 'data', data})": "{'stream', 'pending', 'data', data, 'added', ''})",
}
"""What is added to the entries of event logs and of pending messages."""
