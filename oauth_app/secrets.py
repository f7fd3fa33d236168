"""Tokens, codes and client secrets: random, shown once, kept only as a SHA-256 checksum.

They have full entropy, so that a fast hash is as good as a slow one and costs no time at /token.
"""

from __future__ import annotations

import hashlib
import secrets

from django.utils.crypto import constant_time_compare


def new_secret() -> str:
    """A value that cannot be guessed: 256 bits."""
    return secrets.token_urlsafe(32)


def checksum(value: str) -> str:
    """What is kept of a secret; the very value that django-oauth-toolkit calls `token_checksum`."""
    return hashlib.sha256(value.encode()).hexdigest()


def is_secret(value: str, kept: str) -> bool:
    """Whether `kept` is the checksum of `value`; an empty one matches nothing."""
    return bool(kept) and constant_time_compare(checksum(value), kept)
