"""The provider: its accounts, and the one-time codes by which it identifies them."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.models import User
from django.core import signing
from django.db.models import Q
from limits import parse

from fakeupstream.names import skeleton
from oauth_app.conf import conf
from oauth_app.http.rate_limits import limiter
from oauth_app.secrets import checksum, is_secret

USERS = ("alice", "bob", "carol")
CODE_SECONDS = 300
SALT = "fakeupstream.code"


class ProtectedAccount(Exception):
    """The name belongs to an account to which nobody may sign in without a password."""


def code_for(username: str, state: str) -> str:
    """A code that is valid only with this state, which only one browser knows."""
    return signing.dumps({"username": username, "state": checksum(state)}, salt=SALT)


def username_of(code: str, state: str) -> str | None:
    try:
        content = signing.loads(code, salt=SALT, max_age=CODE_SECONDS)
    except signing.BadSignature:
        return None
    username: str = content["username"]
    return username if is_secret(state, content["state"]) else None


def is_first_use(code: str) -> bool:
    """Whether nobody has used this code before. While Redis is unavailable, every use counts as the first."""
    once = parse(f"1 per {CODE_SECONDS} seconds")
    return not limiter(conf.redis_url).seconds_to_wait(once, "sign-in", checksum(code))


def find_or_create(username: str) -> User:
    """The account with this name.

    Raises:
        ProtectedAccount: It has a password or permissions, or is new and its name looks like that of an
            account that has: anyone could enter it.
    """
    # The names are only compared for a new account: there is no index for that.
    users = get_user_model().objects
    is_new = not users.filter(username=username).exists()
    if is_new and skeleton(username) in map(skeleton, _protected_names()):
        raise ProtectedAccount
    # In one statement: Django takes an empty password for a usable one, and another tab may look now.
    user, _ = users.get_or_create(username=username, defaults={"password": make_password(None)})
    if user.is_staff or user.is_superuser or user.has_usable_password():
        raise ProtectedAccount
    return user


def _protected_names() -> Iterable[str]:
    """The names of accounts with a password or permissions: few, as users of this provider have neither."""
    is_protected = Q(is_staff=True) | Q(is_superuser=True) | ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    return get_user_model().objects.filter(is_protected).values_list("username", flat=True)
