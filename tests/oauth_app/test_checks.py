from types import ModuleType

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.core.checks import run_checks
from django.db import connection
from django.db.models import DateField
from django.test.utils import isolate_apps
from django.urls import include, path, re_path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy
from oauth2_provider.models import AbstractApplication
from oauth2_provider.settings import oauth2_settings

from oauth_app import checks
from oauth_app.toolkit import project_settings


def ids(function):
    return [message.id for message in function(None)]


@pytest.mark.django_db  # which Django 6.1 asks what it can do
def test_the_project_passes():
    assert [message for message in run_checks() if (message.id or "").startswith("oauth")] == []


@pytest.mark.parametrize(
    "url",
    ["http://mcp.example.com", "https://mcp.example.com/", "https://mcp.example.com?x=1", "ftp://localhost"],
)
def test_a_url_that_clients_cannot_trust(settings, url):
    settings.AUTH_SERVER_URL = url
    settings.MCP_RESOURCE_URL = url + "/mcp/" if url.startswith("http:") else url
    assert "oauth_app.E001" in ids(checks.check_urls) or url == "ftp://localhost"


@pytest.mark.parametrize("path", ["/portal", "/mcp"])
def test_an_authorization_server_below_a_path(settings, path):
    settings.AUTH_SERVER_URL = f"https://shop.example.com{path}"
    [found] = checks.check_urls(None)
    assert found.id == "oauth_app.E001"
    assert "without a path" in found.msg
    assert "project_settings" in str(found.hint)
    assert "not that of the endpoint" in str(found.hint)


@pytest.mark.parametrize("scheme", ["http", "javascript", "data", "Cursor", "vscode://"])
def test_a_dangerous_scheme(settings, scheme):
    settings.OAUTH_CUSTOM_SCHEMES = ["cursor", scheme]
    assert ids(checks.check_values) == ["oauth_app.E003"]


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("OAUTH_CODE_SECONDS", 601),
        ("OAUTH_CODE_SECONDS", 0),
        ("OAUTH_ACCESS_SECONDS", 0),
        ("OAUTH_REFRESH_SECONDS", 8 * 24 * 3600),
        ("OAUTH_REFRESH_SECONDS", 60),
        ("OAUTH_REFRESH_GRACE_SECONDS", 3600),
        ("OAUTH_CLIENT_SECONDS", 3600),
    ],
)
def test_an_invalid_lifetime(settings, name, seconds):
    setattr(settings, name, seconds)
    assert set(ids(checks.check_values)) == {"oauth_app.E004"}


@pytest.mark.parametrize("path", ["nowhere.begin", "nodots", "", "oauth_app.conf.WEEK"])
def test_an_invalid_sign_in_function(settings, path):
    settings.OAUTH_SIGN_IN = path
    assert ids(checks.check_sign_in) == ["oauth_app.E007"]


def test_rate_limits_without_a_redis_to_count_in(settings):
    settings.OAUTH_RATE_LIMITS = {"token": "300/minute"}
    settings.REDIS_URL = ""
    assert ids(checks.check_rate_limits) == ["oauth_app.E015"]
    settings.OAUTH_RATE_LIMITS = {}
    assert ids(checks.check_rate_limits) == []


@pytest.mark.parametrize(
    "change",
    [
        {"COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": False},
        {"COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": False},
        {"PKCE_REQUIRED": False},
        {"OIDC_ISS_ENDPOINT": "https://other.example"},
        {"SCOPES_BACKEND_CLASS": "oauth2_provider.scopes.SettingsScopes"},
        {"OAUTH2_VALIDATOR_CLASS": "oauth2_provider.oauth2_validators.OAuth2Validator"},
        {"ACCESS_TOKEN_EXPIRE_SECONDS": 1},
    ],
)
def test_settings_of_the_toolkit_that_disable_a_guarantee(settings, change):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | change
    assert ids(checks.check_toolkit) == ["oauth_app.E005"]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("CIMD_ENABELD", "did you mean CIMD_ENABLED?"),
        ("OAUTH_SCOPES", "set it after the line"),
        ("OAUTH_SIGN_IN", "set it after the line"),
        ("MCP_RESOURCE_URL", "set it after the line"),
        ("REDIS_URL", "set it after the line"),
        ("NOTHING_LIKE_IT", "which django-oauth-toolkit does not have"),
    ],
)
def test_names_that_are_no_settings_of_the_toolkit(settings, name, advice):
    changed = project_settings("https://shop.example.com", **{name: "x"})
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {name: changed["OAUTH2_PROVIDER"][name]}
    [found] = checks.check_toolkit(None)
    assert found.id == "oauth_app.E005"
    assert name in found.msg
    assert advice in found.msg


@pytest.mark.parametrize(
    ("name", "value", "python", "environment"),
    [
        ("OAUTH_SCOPES", ["orders"], '{"orders:write": "Change your orders"}', "orders:write=Change"),
        ("OAUTH_RATE_LIMITS", ["token"], '{"token": "300/minute"}', "token=300/minute"),
        ("OAUTH_CUSTOM_SCHEMES", ["Cursor"], '["cursor", "vscode"]', "cursor,vscode"),
    ],
)
def test_an_invalid_value_is_explained_for_settings_and_for_the_environment(
    settings, name, value, python, environment
):
    setattr(settings, name, value)
    [found] = checks.check_values(None)
    assert found.msg.startswith(name)
    assert python in found.msg
    assert f"(as an environment variable {environment}" in found.msg


@pytest.mark.parametrize(
    ("scopes", "further"),
    [
        ({"orders:write": 1}, []),
        (["orders:write"], []),
        ({"orders write": "Change your orders"}, []),
        ({'"orders"': "Change your orders"}, []),
        ({"orders:write": "Change your orders"}, ["orders:writ"]),
        ({}, "mcp"),
    ],
)
def test_invalid_scopes(settings, scopes, further):
    settings.OAUTH_SCOPES = scopes
    settings.OAUTH_FURTHER_SCOPES = further
    assert ids(checks.check_values) + ids(checks.check_scopes) == ["oauth_app.E008"]


@pytest.mark.parametrize(
    ("text", "found"), [(gettext_lazy("Change your orders"), []), (format_lazy(""), ["oauth_app.E008"])]
)
def test_what_the_consent_page_says_of_a_scope_may_be_translated(settings, text, found):
    settings.OAUTH_SCOPES = {"orders:write": text}
    settings.OAUTH_FURTHER_SCOPES = ["orders:write"]
    assert ids(checks.check_values) + ids(checks.check_scopes) == found


def test_settings_without_the_line_for_the_toolkit(settings):
    del settings.OAUTH2_PROVIDER_GRANT_MODEL
    settings.OAUTH2_PROVIDER_APPLICATION_MODEL = "shop.Application"
    found = checks.check_models(None)
    assert [message.id for message in found] == ["oauth_app.E009"] * 2
    assert all("project_settings(" in (message.hint or "") for message in found)
    assert "shop.Application" in found[0].msg
    assert "OAUTH2_PROVIDER_GRANT_MODEL is not set" in found[1].msg


@isolate_apps("django.contrib.auth", "oauth2_provider", "oauth_app")
def test_a_project_with_models_of_its_own_for_the_toolkit(monkeypatch):
    class Application(AbstractApplication):
        class Meta:
            app_label = "auth"

    monkeypatch.setattr(checks, "apps", Application._meta.apps)
    [found] = checks.check_models(None)
    assert found.id == "oauth_app.E010"
    assert "auth.Application" in found.msg


def test_a_project_that_has_tables_of_the_toolkit(db):
    assert checks.check_tables(None, databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE oauth2_provider_application (id integer)")  # rolled back with the test
    [found] = checks.check_tables(None, databases=["default"])
    assert found.id == "oauth_app.E010"
    assert checks.check_tables(None) == [], "only commands that use the database look there"


def nothing(request, **kwargs):
    """A view of the project."""


@pytest.mark.parametrize(
    ("patterns", "hint"),
    [
        ([], "at the root"),
        ([path("oauth/", include("oauth_app.urls"))], "at the root"),
        ([re_path(r"^(?!\.well-known)", nothing), path("", include("oauth_app.urls"))], "before that one"),
        ([path("register", nothing), path("", include("oauth_app.urls"))], "before that one"),
    ],
)
def test_urls_that_are_not_included_at_the_root_or_are_taken_by_others(settings, patterns, hint):
    settings.ROOT_URLCONF = ModuleType("urls_of_a_project")
    settings.ROOT_URLCONF.urlpatterns = patterns
    found = checks.check_paths(None)
    assert {message.id for message in found} == {"oauth_app.E011"}
    assert all(hint in (message.hint or "") for message in found)


@pytest.mark.parametrize("url", ["/accounts/nowhere/", "nowhere:login", "nowhere"])
def test_a_login_page_that_does_not_exist(settings, url):
    settings.OAUTH_SIGN_IN = "oauth_app.sign_in.begin"
    settings.LOGIN_URL = url
    assert ids(checks.check_login) == ["oauth_app.E012"]
    settings.OAUTH_SIGN_IN = "oauth_app.sign_in.another"
    assert ids(checks.check_login) == [], "it is not used"


@pytest.mark.parametrize("url", ["/admin/login/", "/admin/login", "admin:login", "https://id.example/login"])
def test_a_login_page_that_exists(settings, url):
    settings.OAUTH_SIGN_IN = "oauth_app.sign_in.begin"
    settings.LOGIN_URL = url
    assert ids(checks.check_login) == []


def test_templates_that_are_not_found(settings):
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
    assert ids(checks.check_templates) == ["oauth_app.E013"]


def test_transactions_on_sqlite_that_would_fail_at_the_same_time(monkeypatch):
    monkeypatch.setattr(connection, "vendor", "sqlite")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {})
    assert ids(checks.check_database) == ["oauth_app.W004"]
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"transaction_mode": "IMMEDIATE"})
    assert ids(checks.check_database) == []


class Replicas:
    def db_for_read(self, model, **hints):
        return "replica"


def test_a_router_that_reads_tokens_elsewhere_than_where_they_are_written(settings):
    assert ids(checks.check_router) == []
    settings.DATABASE_ROUTERS = [Replicas()]
    [found] = checks.check_router(None)
    assert found.id == "oauth_app.W005"
    assert "'replica'" in found.msg
    assert "'default'" in found.msg


def test_a_database_that_lacks_the_locks(monkeypatch):
    assert ids(checks.check_database) == []
    monkeypatch.setattr(connection, "vendor", "mysql")
    assert ids(checks.check_database) == ["oauth_app.E014"]


@isolate_apps("django.contrib.auth", "django.contrib.contenttypes")
def test_a_user_model_whose_is_active_is_no_field(monkeypatch):
    class Person(AbstractBaseUser):
        class Meta:
            app_label = "auth"

    class Employee(AbstractBaseUser):
        left = DateField(null=True)

        class Meta:
            app_label = "auth"

        @property
        def is_active(self):  # type: ignore[override]
            return self.left is None

    monkeypatch.setattr(checks, "get_user_model", lambda: Person)
    assert ids(checks.check_user_model) == [], "all are active"
    monkeypatch.setattr(checks, "get_user_model", lambda: Employee)
    assert ids(checks.check_user_model) == ["oauth_app.W003"]


@pytest.mark.django_db
def test_production_settings_raise_no_error_of_the_toolkit():
    found = [
        m for m in run_checks(include_deployment_checks=True) if (m.id or "").startswith("oauth2_provider")
    ]
    assert found == []
    assert oauth2_settings.PKCE_REQUIRED is True
