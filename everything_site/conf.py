"""The variables of this project, including those for the settings that the apps declare."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import oauth_app.app_settings
from mcp_app.app_settings import AppSettings, Setting
from mcp_app.conf import Conf as Mcp
from mcp_app.validators import URL
from oauth_app.conf import Conf as OAuth

T = TypeVar("T")
AnySetting = Setting[T] | oauth_app.app_settings.Setting[T]

INTEGRATED = "integrated"
SEPARATE = "separate"
INTROSPECTION = "introspection"
JWT = "jwt"


def _is_long(key: str) -> bool:
    return len(key.encode()) >= 32


def _is_destination(text: str) -> bool:
    return text in ("stderr", "off") or text.startswith("/")


def _is_contact(text: str) -> bool:
    return not text or text.startswith("https://") or re.fullmatch(r"[^@\s:/]+@[^@\s:/]+", text) is not None


class Environment(AppSettings):
    """The variables of this project; an instance has their values, with defaults applied.

    An instance also has Django's database settings, the settings of the apps by name,
    the variables that were set, and a message for each unknown one that looks misspelt.
    """

    base_uri = Setting(
        "",
        "the public URL, without a path; https in production. The endpoint is `/mcp` below it",
        follows="`http://localhost:PORT`",
    )
    secret_key = Setting(
        "",
        "at least 32 random characters, the same for all processes; required when `DEBUG` is off",
        follows="generated and kept in development",
        must_be=("at least 32 characters long", _is_long),
        secret=True,
    )
    secret_key_fallbacks = Setting[Sequence[str]](
        (),
        "earlier secret keys, still accepted while you rotate the key",
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
        "`postgres://user:password@host/name`, `sqlite:///name` relative to the project's folder, or "
        "`sqlite:////path` absolute. In names and passwords, write `#`, `?` and `%` as `%23`, `%3F` and "
        "`%25`. A SQLite file is made readable only by its owner, unless it belongs to another user; a file "
        "that is not a SQLite database is rejected and left unchanged. `conn_max_age` and the like are "
        "rejected: connections are closed after each request, and the one for token look-ups after 5 "
        "seconds",
        follows="`db.sqlite3` in the project's folder",
        secret=True,
    )
    database_connections = Setting(
        20,
        "the maximum number of PostgreSQL connections per process. A request that finds none free waits up "
        "to 10 seconds, then gets 503. Keep the total of all processes below PostgreSQL's `max_connections`",
        minimum=1,
        maximum=1000,
    )
    debug = Setting(
        False, "turn it off on any public server", follows="on if `BASE_URI` is this computer, for commands"
    )
    allowed_hosts = Setting[Sequence[str]](
        (),
        "the host names that this server answers to, without ports; `.example.com` includes all subdomains. "
        "Protects against DNS rebinding",
        follows="the host of `BASE_URI`",
    )
    port = Setting(
        3232,
        "the port of `runserver`; `runserver 4000` is the same as `PORT=4000`",
        follows="`3232`, or the port of a `BASE_URI` on this computer",
        minimum=1,
        maximum=65535,
    )
    conformance_fixtures = Setting(
        False, "also serve the tools, prompts and resources of the conformance suite"
    )
    tool_names = Setting(
        "reference",
        "`reference`: tools that other projects have, too, are named as there, such as "
        "`longRunningOperation`; `kebab-case`: all names are in one style, as directories want it",
        must_be=("reference or kebab-case", ("reference", "kebab-case").__contains__),
    )
    tool_aliases = Setting(
        True, "whether tools also answer to their other or earlier names, which are in no list"
    )
    rate_limits = Setting(
        True,
        "rate-limit registration, authorization and token requests by client address, and attempts at "
        "passwords",
    )
    client_id_metadata_documents = Setting(
        True,
        "let clients identify themselves by the URL of their metadata document; set `false` where this "
        "server cannot reach the internet, so that clients register instead",
    )
    metrics = Setting(
        True,
        "serve metrics for Prometheus at `/metrics`; see [monitoring.md](monitoring.md#metrics)",
    )
    hsts_seconds = Setting(
        31536000,
        "how long browsers must use HTTPS for this host (`Strict-Transport-Security`, only with an https "
        "`BASE_URI`); `0` omits the header",
        maximum=10**9,
    )
    hsts_subdomains = Setting(False, "apply this to all subdomains, which may be somebody else's services")
    hsts_preload = Setting(False, "consent to the preload lists of browsers; hard to undo")
    state_dir = Setting(
        "",
        "the folder of `.env`, `db.sqlite3`, the development key and whatever else this server stores in "
        "files; read from the process only",
        follows="the project's folder; for `everything-server` a folder of the user",
    )
    audit_log = Setting(
        "",
        "where the [audit](audit.md) is written: `stderr`, the absolute path of a file, or `off`",
        follows="`stderr`; `off` while `DEBUG` is on",
        must_be=("stderr, off, or an absolute path", _is_destination),
    )
    operator = Setting("", "the name of who runs this server, for the pages about privacy, terms and support")
    contact = Setting(
        "",
        "an e-mail address, or the URL of a page, at which people reach whoever runs this server; on the "
        "page about support and in `/.well-known/security.txt`",
        must_be=("an e-mail address or an https URL", _is_contact),
    )
    documentation_url = Setting(
        "",
        "a page of yours that replaces `/documentation`",
        follows="`BASE_URI/documentation`",
        must_be=URL,
    )
    privacy_url = Setting(
        "", "a page of yours that replaces `/privacy`", follows="`BASE_URI/privacy`", must_be=URL
    )
    terms_url = Setting("", "a page of yours that replaces `/terms`", follows="`BASE_URI/terms`", must_be=URL)
    support_url = Setting(
        "", "a page of yours that replaces `/support`", follows="`BASE_URI/support`", must_be=URL
    )
    openai_apps_challenge = Setting(
        "", "what `/.well-known/openai-apps-challenge` says, by which ChatGPT's directory verifies the domain"
    )
    registry_auth = Setting(
        "",
        "what `/.well-known/mcp-registry-auth` says, such as `v=MCPv1; k=ed25519; p=…`, by which the MCP "
        "registry verifies the domain",
    )
    env_file = Setting(".env", "the file to read further variables from")
    auth_mode = Setting(
        INTEGRATED,
        "`integrated`: this server issues its own tokens; `separate`: another server issues them",
        must_be=("integrated or separate", (INTEGRATED, SEPARATE).__contains__),
    )
    auth_server_url = Setting(
        "",
        "the URL of the authorization server",
        follows="`BASE_URI`; in separate mode `http://localhost:AUTH_SERVER_PORT`",
    )
    auth_server_port = Setting(
        3001,
        "the port of `runauthserver`",
        follows="`3001`, or the port of an `AUTH_SERVER_URL` on this computer",
        minimum=1,
        maximum=65535,
    )
    auth_server_issuer = Setting(
        "", "the issuer of the authorization server, if it ends with a slash", follows="`AUTH_SERVER_URL`"
    )
    token_verification = Setting(
        INTROSPECTION,
        "how tokens are verified: `introspection` or `jwt`",
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
        return "<Environment>"  # error pages show this: no secrets


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
"""The settings that say how to check the tokens of another server."""
