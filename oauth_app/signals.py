"""What other applications can learn from this one."""

from django.dispatch import Signal

access_withdrawn = Signal()
"""Access tokens stopped being valid before they expired: `checksums`, a list of SHA-256 hex digests.

Sent after the transaction that withdrew them has been committed.
"""
