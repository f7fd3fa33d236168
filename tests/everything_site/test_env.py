"""Settings from the environment: an invalid one is refused with a message that names the variable."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from everything_site import env
from everything_site.conf import DERIVED, OF_THE_APPS, SEPARATE_ONLY, Environment
from mcp_app.conf import Conf as Mcp
from oauth_app.conf import Conf as OAuth
from tests.docs.markdown import code, rows


class Given:
    """An environment with only the variables of a test, and a folder for its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, **variables: str) -> Environment:
        return env.read(self.folder, variables)

    def refusal(self, **variables: str) -> str:
        with pytest.raises(ImproperlyConfigured) as refused:
            self.read(**variables)
        return str(refused.value)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(tmp_path)


def test_development_needs_no_variables(given: Given) -> None:
    found = given.read()
    assert (found.port, found.base_uri, found.auth_mode) == (3232, "http://localhost:3232", "integrated")
    assert found.debug
    assert found.redis_url.startswith("unix://")
    assert found.database["ENGINE"] == "django.db.backends.sqlite3"
    assert found.allowed_hosts == ["localhost", "127.0.0.1", "[::1]"]
    assert not found.conformance_fixtures
    assert len(found.secret_key) >= 50
    assert given.read().secret_key == found.secret_key, "a restart forgets nothing"
    assert (given.folder / ".dev-secret-key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "schemes"),
    [("vscode", ["vscode"]), ("cursor, vscode-insiders,", ["cursor", "vscode-insiders"]), ("", ["cursor"])],
)
def test_schemes_of_desktop_applications_are_named(given: Given, text: str, schemes: list[str]) -> None:
    found = given.read(REDIRECT_SCHEMES=text).of(OAuth.custom_schemes)
    assert list(found) == schemes


@pytest.mark.parametrize(("text", "is_offered"), [("false", False), ("0", False), ("true", True)])
def test_clients_identified_by_a_url_can_be_turned_off(given: Given, text: str, is_offered: bool) -> None:
    assert given.read().client_id_metadata_documents
    assert given.read(CLIENT_ID_METADATA_DOCUMENTS=text).client_id_metadata_documents is is_offered


REFUSED = [
    ("REDIRECT_SCHEMES", {"REDIRECT_SCHEMES": "vscode://"}),
    ("REDIRECT_SCHEMES", {"REDIRECT_SCHEMES": "cursor,javascript"}),
    ("REDIRECT_SCHEMES", {"REDIRECT_SCHEMES": "VSCode"}),
    ("REDIRECT_SCHEMES", {"REDIRECT_SCHEMES": "cursor vscode"}),
    ("BASE_URI", {"BASE_URI": "localhost:3232"}),
    ("BASE_URI", {"BASE_URI": "ftp://example.com"}),
    ("BASE_URI", {"BASE_URI": "http://"}),
    ("BASE_URI", {"BASE_URI": "http://example.com:99999"}),
    ("BASE_URI", {"BASE_URI": "http://user:secret@example.com"}),
    ("BASE_URI", {"BASE_URI": "http://example.com/?a=b"}),
    ("BASE_URI", {"BASE_URI": "http://example.com/#part"}),
    ("BASE_URI", {"BASE_URI": "http://localhost:3397/sub"}),
    ("BASE_URI", {"BASE_URI": "http://localhost:0"}),
    ("BASE_URI", {"BASE_URI": "http://127.1:3232"}),
    ("BASE_URI", {"BASE_URI": "https://mcp.example.com."}),
    ("BASE_URI", {"BASE_URI": "https://mcp.example.com\n"}),
    ("BASE_URI", {"BASE_URI": "https://[fe80::1%25eth0]"}),
    ("AUTH_SERVER_URL", {"AUTH_MODE": "separate", "AUTH_SERVER_URL": "http://localhost:3001/a/../b"}),
    ("BASE_URI", {"AUTH_MODE": "separate", "BASE_URI": "http://localhost:3397/sub"}),
    ("AUTH_MODE", {"AUTH_MODE": "seperate"}),
    ("AUTH_SERVER_URL", {"AUTH_SERVER_URL": "http://localhost:3001"}),
    ("AUTH_SERVER_URL", {"AUTH_MODE": "separate", "AUTH_SERVER_URL": "nonsense"}),
    ("AUTH_SERVER_URL", {"AUTH_MODE": "separate", "AUTH_SERVER_URL": "http://localhost:3232"}),
    ("REDIS_URL", {"REDIS_URL": "localhost:6379"}),
    ("REDIS_URL", {"REDIS_URL": "http://localhost:6379"}),
    ("REDIS_URL", {"REDIS_URL": "redis://localhost:99999/0"}),
    ("REDIS_URL", {"REDIS_URL": "redis://[::1/0"}),
    ("REDIS_URL", {"REDIS_URL": "redis://localhost/abc"}),
    ("REDIS_URL", {"REDIS_URL": "redis://localhost/0/1"}),
    ("REDIS_URL", {"REDIS_URL": "redis://localhost/?db=abc"}),
    ("REDIS_URL", {"REDIS_URL": "unix://"}),
    ("DATABASE_URL", {"DATABASE_URL": "everything.db"}),
    ("DATABASE_URL", {"DATABASE_URL": "mysql://a/b"}),
    ("DATABASE_URL", {"DATABASE_URL": "oraclish://localhost/name"}),
    ("DATABASE_URL", {"DATABASE_URL": "postgres://me@host"}),
    ("DATABASE_URL", {"DATABASE_URL": "postgres://me:12#34@host/name"}),
    ("DATABASE_URL", {"DATABASE_URL": "sqlite://db.sqlite3"}),
    ("DATABASE_URL", {"DATABASE_URL": "sqlite://:memory:"}),
    ("DATABASE_URL", {"DATABASE_URL": "sqlite://"}),
    ("DATABASE_URL", {"DATABASE_URL": "sqlite:///db.sqlite3?timeout=5"}),
    ("DATABASE_URL", {"DATABASE_URL": "sqlite:///db#2.sqlite3"}),
    ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": "http://localhost/"}),
    ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": "app.example.com,localhost/"}),
    ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": "localhost:3232"}),
    ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": "*.example.com"}),
    ("ALLOWED_ORIGINS", {"ALLOWED_ORIGINS": "app.example.com"}),
    ("ALLOWED_ORIGINS", {"ALLOWED_ORIGINS": "https://app.example.com/path"}),
    ("ALLOWED_ORIGINS", {"ALLOWED_ORIGINS": "http://127.1"}),
    ("SECRET_KEY", {"DEBUG": "false"}),
    ("SECRET_KEY", {"DEBUG": "false", "SECRET_KEY": "short"}),
    ("SECRET_KEY", {"SECRET_KEY": "change-me"}),
    ("SECRET_KEY", {"AUTH_MODE": "separate", "SECRET_KEY": "change-me"}),
    ("SECRET_KEY_FALLBACKS", {"SECRET_KEY_FALLBACKS": f"{'x' * 40},change-me"}),
    ("ENV_FILE", {"ENV_FILE": ".env.missing"}),
]


@pytest.mark.parametrize(("name", "variables"), REFUSED, ids=lambda value: str(value))
def test_an_invalid_value_is_refused_by_name(given: Given, name: str, variables: dict[str, str]) -> None:
    sentence = given.refusal(**variables)
    assert sentence.startswith(name) or name in sentence.split(".")[0]
    assert sentence.endswith(".")


ABOUT_A_HOST = "a URL of one host"
SAID = [
    ({"BASE_URI": "https://*.example.com"}, ABOUT_A_HOST),
    ({"BASE_URI": "https://\U0001f600.example"}, ABOUT_A_HOST),
    ({"BASE_URI": "http://2130706433:3232"}, ABOUT_A_HOST),
    ({"BASE_URI": "https://[fe80::1%25eth0]"}, ABOUT_A_HOST),
    ({"BASE_URI": "https://a..example"}, ABOUT_A_HOST),
    ({"BASE_URI": "http://0.0.0.0:3232"}, "0.0.0.0 is an address to listen on"),
    ({"BASE_URI": "http://[::]:3232"}, ":: is an address to listen on"),
    ({"BASE_URI": "http://[0::0]:3232"}, ":: is an address to listen on"),
    ({"AUTH_MODE": "separate", "AUTH_SERVER_URL": "http://0.0.0.0:3001"}, "an address to listen on"),
    ({"BASE_URI": "http://localhost:65536"}, "a port from 1 to 65535"),
    ({"BASE_URI": "http://localhost:http"}, "a port from 1 to 65535"),
    ({"DATABASE_URL": "mysql://a/b"}, "PostgreSQL and SQLite are supported"),
    ({"DATABASE_URL": "$DB"}, "PostgreSQL and SQLite are supported"),
    ({"DATABASE_URL": "oracle://a/b"}, "PostgreSQL and SQLite are supported"),
    ({"REDIS_URL": "redis://localhost/0?foo=bar"}, "option foo"),
    ({"REDIS_URL": "rediss://localhost/0?ssl_foo=1"}, "option ssl_foo"),
    ({"REDIS_URL": "unix:///run/redis.sock?timeouts=3"}, "option timeouts"),
    ({"REDIS_URL": "redis://localhost/0?ssl_cert_reqs=none"}, "option ssl_cert_reqs"),
    ({"REDIS_URL": "redis://localhost/0?socket_timeout=abc"}, "invalid value for socket_timeout"),
    (
        {"REDIS_URL": "rediss://localhost/0?health_check_interval=x"},
        "invalid value for health_check_interval",
    ),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("variables", "what"), SAID, ids=lambda value: str(value))
def test_a_refusal_says_what_is_wrong(given: Given, variables: dict[str, str], what: str) -> None:
    sentence = given.refusal(**variables)
    assert sentence.startswith(list(variables)[-1])
    assert what in sentence
    assert "without scheme" not in sentence
    assert "SECRET_KEY" not in sentence


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost/0?socket_timeout=2&max_connections=5&protocol=3&client_name=me",
        "rediss://localhost/0?ssl_cert_reqs=none&ssl_check_hostname=false",
        "unix:///run/redis.sock?db=1&socket_connect_timeout=0.5",
    ],
)
def test_options_that_redis_knows_are_accepted(given: Given, url: str) -> None:
    assert given.read(REDIS_URL=url).redis_url == url


def test_a_refusal_does_not_repeat_a_secret(given: Given) -> None:
    assert "hunter2" not in given.refusal(DEBUG="false", SECRET_KEY="hunter2")
    assert "hunter2" not in given.refusal(DATABASE_URL="postgress://me:hunter2@localhost/name")
    assert "hunter2" not in given.refusal(REDIS_URL="redisss://:hunter2@localhost/0")
    assert "hunter2" not in given.refusal(REDIS_URL="redis://:hunter2#@localhost/0")
    assert "hunter2" not in given.refusal(BASE_URI="https://me:hunter2@example.com")
    assert "hunter2" not in given.refusal(SECRET_KEY_FALLBACKS="hunter2")


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost/",
        "rediss://:pass@[::1]:6380/15",
        "unix:///run/redis.sock?db=2",
    ],
)
def test_every_usual_address_of_a_redis_is_accepted(given: Given, url: str) -> None:
    assert given.read(REDIS_URL=url).redis_url == url


@pytest.mark.parametrize("host", ["*", ".example.com", "app.example.com", "127.0.0.1", "[::1]", "my_service"])
def test_every_kind_of_host_is_accepted(given: Given, host: str) -> None:
    assert given.read(ALLOWED_HOSTS=host).allowed_hosts == [host]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False), ("", False), (" ", False)],
)
def test_booleans_have_the_usual_spellings(given: Given, text: str, value: bool) -> None:
    assert given.read(CONFORMANCE_FIXTURES=text).conformance_fixtures is value


BY_VARIABLE = {setting.variable: setting for setting in OF_THE_APPS}
NOT_SET_ALONE = {setting.variable for setting in [*DERIVED, *SEPARATE_ONLY]}


@pytest.mark.parametrize("name", [name for name in BY_VARIABLE if name not in NOT_SET_ALONE])
def test_every_setting_of_the_apps_is_set_by_its_variable(given: Given, name: str) -> None:
    setting = BY_VARIABLE[name]
    for text in (
        "7",
        "4999",
        "1000000",
        "true",
        "false",
        "token=1/minute",
        "vscode",
        "https://a.example",
        "/probe",
        "com.example/shop",
    ):
        with contextlib.suppress(ImproperlyConfigured):
            found = given.read(**{name: text})
            assert setting.fault(found.of(setting)) == ""
            if found.settings[setting.name] not in (setting.default, None):
                return
    pytest.fail("no value was accepted")


def test_a_public_address_is_production_with_its_own_host_and_origin(given: Given) -> None:
    found = given.read(BASE_URI="https://mcp.example.com/", SECRET_KEY="x" * 50)
    assert found.base_uri == "https://mcp.example.com"
    assert not found.debug
    assert found.allowed_hosts == ["mcp.example.com"]
    assert found.of(Mcp.allowed_origins) == ["https://mcp.example.com"]


def test_an_empty_variable_counts_as_not_set(given: Given) -> None:
    names = [name for name in documented_variables() if name != "SECRET_KEY"]
    assert len(names) > 20
    key = "x" * 50
    assert given.read(SECRET_KEY=key, **dict.fromkeys(names, "")) == given.read(SECRET_KEY=key)
    assert given.read(SECRET_KEY="").secret_key == given.read().secret_key


def documented_variables() -> list[str]:
    return [code(row["Variable"])[0] for row in rows("configuration.md", "Variable")]


def test_a_variable_takes_precedence_over_the_env_file_and_lists_have_commas(given: Given) -> None:
    (given.folder / ".env").write_text("PORT=4000\nALLOWED_HOSTS=a.example, b.example\n")
    found = given.read(PORT="5000")
    assert found.port == 5000
    assert found.allowed_hosts == ["a.example", "b.example"]


def test_env_file_names_another_file(given: Given) -> None:
    (given.folder / ".env.mine").write_text("PORT=4001\n")
    assert given.read(ENV_FILE=".env.mine").port == 4001


def test_a_secret_may_come_from_a_file(given: Given) -> None:
    (given.folder / "secret").write_text("from a file " * 5)
    found = given.read(SECRET_KEY_FILE=str(given.folder / "secret"))
    assert found.secret_key.startswith("from a file")


@pytest.mark.parametrize(
    ("typed", "published", "host"),
    [
        ("https://M.Example:443", "https://m.example", "m.example"),
        ("HTTPS://mcp.example.com/", "https://mcp.example.com", "mcp.example.com"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("https://straße.example:8443", "https://xn--strae-oqa.example:8443", "xn--strae-oqa.example"),
        ("http://192.0.2.1:80", "http://192.0.2.1", "192.0.2.1"),
        ("https://[2001:DB8:0:0::1]:443", "https://[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_the_public_address_is_published_as_clients_normalise_it(
    given: Given, typed: str, published: str, host: str
) -> None:
    found = given.read(BASE_URI=typed, SECRET_KEY="x" * 50)
    assert found.base_uri == found.auth_server_url == published
    assert found.allowed_hosts == [host]
    assert found.of(Mcp.allowed_origins) == [published]


def test_origins_and_hosts_are_normalised_as_browsers_send_them(given: Given) -> None:
    found = given.read(
        ALLOWED_ORIGINS="HTTPS://App.Example:443, https://münchen.example, vscode-webview://AbC, http://[::0:1]:80",
        ALLOWED_HOSTS="App.Example, .Example.ORG, münchen.example, [0::1]",
    )
    assert found.of(Mcp.allowed_origins) == [
        "https://app.example",
        "https://xn--mnchen-3ya.example",
        "vscode-webview://AbC",
        "http://[::1]",
    ]
    assert found.allowed_hosts == ["app.example", ".example.org", "xn--mnchen-3ya.example", "[::1]"]


def test_the_issuer_of_another_server_stays_as_that_server_writes_it(given: Given) -> None:
    found = given.read(
        AUTH_MODE="separate",
        AUTH_SERVER_URL="https://Auth.Example:443",
        AUTH_SERVER_ISSUER="https://Auth.Example/",
    )
    assert found.auth_server_url == "https://auth.example"
    assert found.of(Mcp.issuer) == "https://Auth.Example/"


@pytest.mark.parametrize(
    ("variables", "port", "auth_server_port"),
    [
        ({"BASE_URI": "http://localhost:4000"}, 4000, 3001),
        ({"BASE_URI": "http://[::1]:4000"}, 4000, 3001),
        ({"BASE_URI": "https://mcp.example.com:4000", "SECRET_KEY": "x" * 50}, 3232, 3001),
        ({"BASE_URI": "http://localhost:4000", "PORT": "4001"}, 4001, 3001),
        ({"AUTH_MODE": "separate", "AUTH_SERVER_URL": "http://127.0.0.1:4002"}, 3232, 4002),
        ({"AUTH_MODE": "separate", "AUTH_SERVER_URL": "https://auth.example:4002"}, 3232, 3001),
    ],
)
def test_a_server_listens_where_a_url_of_this_computer_leads(
    given: Given, variables: dict[str, str], port: int, auth_server_port: int
) -> None:
    found = given.read(**variables)
    assert (found.port, found.auth_server_port) == (port, auth_server_port)


def test_a_development_key_that_others_can_read_is_made_private(given: Given) -> None:
    kept = given.folder / ".dev-secret-key"
    kept.write_text("x" * 50)
    kept.chmod(0o644)
    assert given.read().secret_key == "x" * 50
    assert kept.stat().st_mode & 0o077 == 0


def test_if_no_development_key_can_be_stored_the_variable_is_named(given: Given) -> None:
    (given.folder / ".dev-secret-key").mkdir()
    assert given.refusal().startswith("SECRET_KEY must be set")
    assert given.read(SECRET_KEY="x" * 50)


@pytest.mark.parametrize("name", [".env.integrated", ".env.separate"])
def test_the_env_files_of_the_project_are_understood(given: Given, name: str) -> None:
    root = Path(__file__).resolve().parents[2]
    found = given.read(ENV_FILE=str(root / name))
    assert found.auth_mode == name.removeprefix(".env.")
