"""What other applications can learn from this one."""

from django.dispatch import Signal

access_withdrawn = Signal()
"""Access tokens stopped being valid before they expired, or consents were withdrawn.

`checksums`: SHA-256 of the tokens, in hexadecimal. `grants`: the consents, whose tokens may all have expired.
A refresh withdraws neither, and one access token can go while its consent stays.

Sent after the transaction that withdrew them has been committed.
"""
