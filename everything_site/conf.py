"""The variables of this project, and those that set what the apps declare."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import oauth_app.app_settings
from mcp_app.app_settings import AppSettings, Setting
from mcp_app.conf import Conf as Mcp
from oauth_app.conf import Conf as OAuth

T = TypeVar("T")
AnySetting = Setting[T] | oauth_app.app_settings.Setting[T]

INTEGRATED = "integrated"
SEPARATE = "separate"
INTROSPECTION = "introspection"
JWT = "jwt"


def _is_long(key: str) -> bool:
    return len(key.encode()) >= 32


class Environment(AppSettings):
    """The variables of this project, and as an instance what they come to, after defaults.

    Besides its settings, an instance has Django's settings of the database, the settings of the apps by name,
    the variables that are given, and a sentence for each that nothing reads and that looks like one of ours.
    """

    base_uri = Setting(
        "",
        "the public URL, without a path, with https in production; the endpoint is its `/mcp`",
        follows="`http://localhost:PORT`",
    )
    secret_key = Setting(
        "",
        "32 random characters or more, the same for all processes; must be set when `DEBUG` is off",
        follows="in development one is made and kept",
        must_be=("at least 32 characters long", _is_long),
        secret=True,
    )
    secret_key_fallbacks = Setting[Sequence[str]](
        (),
        "earlier secret keys, while you change the key",
        must_be=("a list of keys of at least 32 characters each", _is_long),
        secret=True,
    )
    redis_url = Setting(
        "",
        "`redis://`, `rediss://` or `unix://`; see [redis.md](redis.md)",
        follows="a Valkey that `runserver` starts",
        secret=True,
    )
    database_url = Setting(
        "",
        "`postgres://user:password@host/name`, `sqlite:///name` in the project's folder or `sqlite:////path` "
        "from the root; `#`, `?` and `%` in names and passwords are `%23`, `%3F` and `%25`. A SQLite file is "
        "made readable for its owner only, unless it belongs to another user; what is no SQLite database is "
        "refused, and left as it is. `conn_max_age` and the like are refused: connections are closed after "
        "each request, and the one on which tokens are looked up after 5 seconds",
        follows="`db.sqlite3` in the project's folder",
        secret=True,
    )
    database_connections = Setting(
        20,
        "connections to PostgreSQL that one process opens at the most; whoever finds none free waits up to "
        "10 seconds, then gets 503. All processes together must stay below PostgreSQL's `max_connections`",
        minimum=1,
        maximum=1000,
    )
    debug = Setting(False, "off for anything public", follows="on if `BASE_URI` is this computer")
    allowed_hosts = Setting[Sequence[str]](
        (),
        "hosts that are served, without ports; `.example.com` stands for all below it; guards against DNS "
        "rebinding",
        follows="the host of `BASE_URI`",
    )
    port = Setting(
        3232,
        "where `runserver` listens; `runserver 4000` is the same as `PORT=4000`",
        follows="`3232`, or the port of a `BASE_URI` on this computer",
        minimum=1,
        maximum=65535,
    )
    conformance_fixtures = Setting(
        False, "serve the tools, prompts and resources of the conformance suite as well"
    )
    rate_limits = Setting(True, "limit registration, authorization and tokens by address")
    client_id_metadata_documents = Setting(
        True,
        "offer to know clients by the URL of their metadata document; set `false` where this server cannot "
        "reach the internet: clients then register",
    )
    hsts_seconds = Setting(
        31536000,
        "for how long browsers use this host by HTTPS alone (`Strict-Transport-Security`, with an https "
        "`BASE_URI` only); `0` says nothing",
        maximum=10**9,
    )
    hsts_subdomains = Setting(False, "the same for all hosts below it, which may be other people's services")
    hsts_preload = Setting(False, "agree to be built into browsers; hard to take back")
    env_file = Setting(".env", "the file with more variables")
    auth_mode = Setting(
        INTEGRATED,
        "`integrated`: this server issues its tokens itself; `separate`: another one does",
        must_be=("integrated or separate", (INTEGRATED, SEPARATE).__contains__),
    )
    auth_server_url = Setting("", "its URL", follows="`http://localhost:AUTH_SERVER_PORT`")
    auth_server_port = Setting(
        3001,
        "where `runauthserver` listens",
        follows="`3001`, or the port of an `AUTH_SERVER_URL` on this computer",
        minimum=1,
        maximum=65535,
    )
    auth_server_issuer = Setting("", "its issuer, if that ends with a slash", follows="`AUTH_SERVER_URL`")
    token_verification = Setting(
        INTROSPECTION,
        "how tokens are checked: `introspection` or `jwt`",
        must_be=("introspection or jwt", (INTROSPECTION, JWT).__contains__),
    )

    database: dict[str, Any]
    settings: dict[str, Any]
    given: Collection[str]
    unknown: Collection[str]

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def of(self, setting: AnySetting[T]) -> T:
        """The value of an app's setting."""
        value: T = self.settings.get(setting.name, setting.default)
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Environment) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<Environment>"  # which error pages show: no secrets


OF_THE_APPS: list[AnySetting[Any]] = [*Mcp.declared(), *OAuth.declared()]
DERIVED = [
    setting
    for setting in OF_THE_APPS
    if setting.variable in {other.variable for other in Environment.declared()}
]
"""Settings of the apps that are computed from variables of this project."""
FROM_ENVIRONMENT = [*Environment.declared(), *(s for s in OF_THE_APPS if s not in DERIVED)]
SEPARATE_ONLY: list[Setting[Any]] = [
    Environment.auth_server_issuer,
    Environment.token_verification,
    Mcp.token_audience,
    Mcp.introspection_url,
    Mcp.introspection_client_id,
    Mcp.introspection_client_secret,
    Mcp.jwks_url,
    Mcp.jwt_types,
]
"""What says how to check the tokens of another server."""
