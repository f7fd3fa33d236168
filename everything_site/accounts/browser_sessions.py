"""The session engine: Django's in the database, with checksums of the session keys, and encrypted data.

The key is what the cookie of a signed-in browser contains. Django stores it readable, so that whoever reads
the table could act as all users who are signed in. It signs the data but leaves it readable: the secret of a
client that the admin is about to show, or what a package for sign-in keeps there. Here the data is encrypted
with the session key, which only the browser has.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from oauth_app.secrets import checksum


class KeyChecksum(str):
    """A checksum of a session key: what the database contains. No cookie can be one, only a `str`."""

    __slots__ = ()


class SessionKeyField(models.CharField):  # type: ignore[type-arg]
    """A session key that is written, and looked up, as its checksum. Reading gives the checksum."""

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, KeyChecksum):
            return value
        # The column of Django's table is 40 characters wide: 160 of 256 bits. A key has 165.
        return KeyChecksum(checksum(str(value))[:40])

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> KeyChecksum | None:
        return None if value is None else KeyChecksum(value)


class BrowserSession(AbstractBaseSession):
    """A row of Django's own table, which `django.contrib.sessions` creates."""

    session_key = SessionKeyField(max_length=40, primary_key=True)

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        managed = False
        db_table = "django_session"
        default_permissions = ()

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        return SessionStore


class SessionStore(db.SessionStore):
    def encode(self, session_dict: dict[str, Any]) -> str:
        return self._cipher().encrypt(super().encode(session_dict).encode()).decode()

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """The data; empty if it is not that of this session."""
        try:
            signed = self._cipher().decrypt(session_data).decode()
        except (InvalidToken, ValueError):
            return {}
        return super().decode(signed)

    def _cipher(self) -> Fernet:
        """Raises ValueError for a session that has no key yet."""
        if self.session_key is None:
            raise ValueError("The data of a session is encrypted with its key, and this one has none.")
        # Not what the row is found by: another checksum.
        derived = hashlib.sha256(b"everything_site session data " + self.session_key.encode()).digest()
        return Fernet(base64.urlsafe_b64encode(derived))

    @classmethod
    def get_model_class(cls) -> type[AbstractBaseSession]:
        return BrowserSession
