"""Tokens, codes and client secrets: random, shown once, and stored as a SHA-256 checksum.

They have full entropy, so a fast hash is as secure as a slow one.
"""

from __future__ import annotations

import hashlib
import secrets

from django.utils.crypto import constant_time_compare


def new_secret() -> str:
    """A random value of 256 bits."""
    return secrets.token_urlsafe(32)


def checksum(value: str) -> str:
    """The stored form of a secret; the same as `token_checksum` of django-oauth-toolkit."""
    return hashlib.sha256(value.encode()).hexdigest()


def is_secret(value: str, stored: str) -> bool:
    """Whether `stored` is the checksum of `value`; an empty checksum matches nothing."""
    return bool(stored) and constant_time_compare(checksum(value), stored)
