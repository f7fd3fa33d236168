"""docs/existing-project.md, word for word: the wheel, an empty environment, a new project, real clients."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.subscriptions import ResourceUpdated
from redis import Redis

from tests.support import proxy, redis_servers
from tests.support.browser import Browser
from tests.support.client import Storage, connect
from tests.support.folders import short_folder
from tests.support.foreign import Environment, Project, environment

pytestmark = [pytest.mark.installs, pytest.mark.processes, pytest.mark.timeout(600)]

PAGE = "existing-project.md"
PASSWORD = "correct horse battery staple"
WAIT = 30

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}

PLAIN = """
from django.contrib.auth import get_user_model
make = get_user_model().objects.create_user
for name in ("alice", "bob"):
    make(name, password=PASSWORD)
make("root", password=PASSWORD, is_staff=True, is_superuser=True)
"""

CUSTOM = """
from people.models import Person
for name in ("alice", "bob"):
    Person.objects.make(f"{name}@example.com", PASSWORD)
Person.objects.make("root@example.com", PASSWORD, is_staff=True, is_superuser=True)
"""

PEOPLE_SETTINGS = """
INSTALLED_APPS += ["people"]
AUTH_USER_MODEL = "people.Person"
"""

PEOPLE = '''
import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class People(BaseUserManager):
    def make(self, email, password, **fields):
        person = self.model(email=email, **fields)
        person.set_password(password)
        person.save()
        return person


class Person(AbstractBaseUser, PermissionsMixin):
    """Who signs in by an e-mail address. Everybody is active."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False)

    USERNAME_FIELD = "email"
    objects = People()
'''

ALLAUTH = """
INSTALLED_APPS += ["allauth", "allauth.account"]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ACCOUNT_EMAIL_VERIFICATION = "none"
"""

ALLAUTH_URLS = (
    'urlpatterns = [path("accounts/", include("allauth.urls")), *urlpatterns[:2], *urlpatterns[3:]]'
)


@dataclass
class Site:
    """A project that two processes serve at one address: `runserver` and Daphne."""

    project: Project
    front: proxy.RoundRobinProxy
    ports: list[int]
    kind: str

    @property
    def redis_url(self) -> str:
        return self.project.replaced["redis://localhost:6379/0"]

    def only(self, process: int) -> None:
        """Send the requests that follow to one process."""
        self.front.ports = [self.ports[process]]

    def browser(self, name: str, *, of_admin: bool = False) -> Browser:
        """The browser of a person who knows their password."""
        email = f"{name}@example.com" if self.kind == "custom" else name
        field = "login" if self.kind == "allauth" and not of_admin else "username"
        return Browser(name, {field: email, "password": PASSWORD})

    @asynccontextmanager
    async def client(self, name: str, storage: Storage) -> AsyncIterator[Client]:
        """The official client, after its person has signed in and allowed it."""
        async with (
            self.browser(name) as browser,
            connect(f"{self.front.url}/mcp", "auto", browser=browser, storage=storage) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return environment(tmp_path_factory.mktemp("installed"), PAGE, "django-allauth~=65.21", "celery~=5.6")


@pytest.fixture(scope="module")
def unfinished(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose Redis does not run: for commands only."""
    project = Project.start(installed, tmp_path_factory.mktemp("unfinished") / "project", {})
    project.copy_app("orders")
    project.follow(PAGE)
    return project


@pytest.fixture(params=["plain", "custom", "allauth"])
def site(request: pytest.FixtureRequest, installed: Environment, tmp_path: Path) -> Iterator[Site]:
    kind: str = request.param
    with short_folder() as name:
        redis_url = redis_servers.url_for(Path(name))
        front = proxy.RoundRobinProxy([])
        replaced = {
            "redis://localhost:6379/0": redis_url,
            "redis://localhost:6379/1": redis_url.replace("unix:", "redis+socket:") + "?virtual_host=1",
            "http://localhost:8000": front.url,
        }
        project = Project.start(installed, tmp_path / "project", replaced)
        if kind == "custom":
            project.append("people/__init__.py", "")
            project.append("people/models.py", PEOPLE)
            project.append("people/migrations/__init__.py", "")
            project.append(
                "mysite/settings.py", 'INSTALLED_APPS += ["people"]\nAUTH_USER_MODEL = "people.Person"'
            )
        project.copy_app("orders")
        project.follow(PAGE)
        if kind == "allauth":
            project.append("mysite/settings.py", ALLAUTH)
            project.append("mysite/urls.py", ALLAUTH_URLS)
            project.follow(PAGE, "with django-allauth")
        # So that only an announcement can end access within the time that this test waits.
        project.append("mysite/settings.py", f"MCP_CACHE_SECONDS = {5 * WAIT}")
        project.manage("makemigrations", "--verbosity", "0")
        project.manage("migrate", "--verbosity", "0")
        people = CUSTOM if kind == "custom" else PLAIN
        project.manage("shell", "--verbosity", "0", "--command", people.replace("PASSWORD", repr(PASSWORD)))
        with (
            redis_servers.running(redis_url),
            project.served("python", "manage.py", "runserver", "--noreload", "PORT") as first,
            project.served("daphne", "-p", "PORT", "mysite.asgi:application") as second,
        ):
            front.ports = [first, second]
            with proxy.running(front):
                yield Site(project, front, [first, second], kind)


MISSING = [
    ("settings", '"daphne", ', '"daphne" first in INSTALLED_APPS'),
    ("settings", '"oauth2_provider", ', 'it needs "oauth2_provider", too'),
    ("settings", 'ASGI_APPLICATION = "mysite.asgi.application"', None),
    ("settings", 'DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}', None),
    ("settings", 'REDIS_URL = "redis://localhost:6379/0"', "REDIS_URL ="),
    ("settings", 'MCP_SERVER = "orders.mcp.build"', "MCP_SERVER ="),
    ("settings", 'OAUTH_SCOPES = {"orders:write": "Refund orders"}', 'OAUTH_SCOPES = {"orders:write":'),
    ("settings", 'globals().update(toolkit.project_settings("http://localhost:8000"))', "project_settings("),
    ("asgi", "from mcp_app.routing import mcp_application", None),
    ("urls", 'path("", include("mcp_app.urls"))', None),
    ("urls", 'path("", include("oauth_app.urls"))', None),
    ("urls", 'path("accounts/login/"', "LOGIN_URL is '/accounts/login/'"),
]
"""A line of the page that is left out, and what the check says, if not the line itself."""


@pytest.mark.parametrize(("file", "line", "says"), MISSING)
def test_a_line_that_is_missing_is_named_by_a_check(
    unfinished: Project, file: str, line: str, says: str | None
) -> None:
    path = unfinished.folder / "mysite" / f"{file}.py"
    complete = path.read_text()
    assert line in complete
    path.write_text(complete.replace(line, "") if line.endswith(", ") else _without_line(complete, line))
    try:
        said = unfinished.manage("check", "--fail-level", "CRITICAL")
    except subprocess.CalledProcessError as error:
        said = error.output
    finally:
        path.write_text(complete)
    assert (says or line) in " ".join(said.split())


def _without_line(text: str, begins: str) -> str:
    """The text without the line that begins so; in asgi.py also without what needs the import."""
    lines = [line for line in text.splitlines() if not line.strip().startswith(begins)]
    return "\n".join(line for line in lines if "mcp_application(" not in line)


def test_the_finished_project_passes_all_checks_and_needs_no_migration(unfinished: Project) -> None:
    assert "no issues" in unfinished.manage("check", "--fail-level", "WARNING")
    assert "No changes" in unfinished.manage("makemigrations", "--check", "--dry-run", "mcp_app", "oauth_app")


async def test_two_people_see_their_own_rows_and_hear_of_changes_that_another_process_makes(
    site: Site,
) -> None:
    tokens = {"alice": Storage(), "bob": Storage()}
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(site.client(name, storage))
            for name, storage in tokens.items()
        }
        uris = {}
        for name, client in clients.items():
            placed = await client.call_tool("place_order", {"item": f"tea for {name}", "amount": 2})
            assert not placed.is_error, placed
            uris[name] = placed.content[0].text  # type: ignore[union-attr]
        for name, client in clients.items():
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == {"place_order"}, "nobody has the permission for the other one"
            listed = (await client.list_resources(cache_mode="bypass")).resources
            assert [resource.uri for resource in listed] == [uris[name]]
            text = (await client.read_resource(uris[name])).contents[0].text  # type: ignore[union-attr]
            assert f"tea for {name}" in text

        site.only(0)
        streams = {
            name: await stack.enter_async_context(
                client.listen(resource_subscriptions=list(uris.values()), resources_list_changed=True)
            )
            for name, client in clients.items()
        }
        site.only(1)
        admin = await stack.enter_async_context(site.browser("root", of_admin=True))
        await admin.sign_in(f"{site.front.url}/admin/login/?next=/admin/")
        for name in ("alice", "bob"):
            number = uris[name].partition("://")[2]
            page = f"{site.front.url}/admin/orders/order/{number}/change/"
            saved = await admin.change(page, item=f"coffee for {name}")
            assert saved.has_redirect_location, saved.text
        async with asyncio.timeout(WAIT):
            heard = {name: await anext(aiter(stream)) for name, stream in streams.items()}
        # Bob's row was changed last, so whatever he had been told of Alice's would have come first.
        assert heard == {name: ResourceUpdated(uri=uri) for name, uri in uris.items()}

        for model in ("client", "grant", "accesstoken", "refreshtoken"):
            found = await admin.visit(f"{site.front.url}/admin/oauth_app/{model}/?q=alice")
            assert found.is_success, "users are found by their name, whatever its field is called"

        await _see_doctor(site)
        assert tokens["alice"].tokens is not None
        await _see_access_end(site, tokens["alice"].tokens.access_token)


@pytest.mark.parametrize("site", ["plain"], indirect=True)
async def test_a_subscriber_hears_from_a_celery_worker_in_which_nothing_of_the_engine_runs(
    site: Site, tmp_path: Path
) -> None:
    site.project.follow(PAGE, "with Celery")
    worker = ("celery", "-A", "mysite", "worker", "--concurrency", "1")
    log = tmp_path / "worker.log"
    async with site.client("alice", Storage()) as client:
        placed = await client.call_tool("place_order", {"item": "tea", "amount": 2})
        uri = placed.content[0].text  # type: ignore[union-attr]
        async with client.listen(resource_subscriptions=[uri]) as changes:
            with site.project.running(*worker, log=log):
                ask = "from orders.tasks import refund_all; refund_all.delay()"
                await asyncio.to_thread(site.project.manage, "shell", "--command", ask)
                async with asyncio.timeout(WAIT):
                    assert await anext(changes) == ResourceUpdated(uri=uri), log.read_text()
                with Redis.from_url(site.redis_url) as redis:
                    assert redis.zcard("mcp:processes") == len(site.ports)
            text = (await client.read_resource(uri)).contents[0].text  # type: ignore[union-attr]
            assert "refunded" in text


async def _see_doctor(site: Site) -> None:
    """The doctor of the wheel signs in with the project's login page, and calls a tool."""
    name = "alice@example.com" if site.kind == "custom" else "alice"
    call = ["--call", "place_order", "item=cake", "amount=1"]
    words = ["doctor", f"{site.front.url}/mcp", "--as", name, *call]
    try:
        said = await asyncio.to_thread(site.project.manage, *words, MCP_PASSWORD=PASSWORD)
    except subprocess.CalledProcessError as error:  # without the internet, no client is known by its URL
        said = error.output
    assert "tools/call: order://" in said


async def _see_access_end(site: Site, token: str) -> None:
    """What is revoked at one process ends at the other, which has just used it: its token and its stream."""
    url = f"{site.front.url}/mcp"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(timeout=WAIT, headers=headers) as http:
        site.only(0)
        opened = await http.post(url, json=INITIALIZE)
        assert opened.status_code == 200, opened.text
        session = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"]}
        async with http.stream("GET", url, headers=session) as stream:
            assert stream.status_code == 200
            site.only(1)
            async with site.browser("alice") as browser:
                page = await browser.sign_in(f"{site.front.url}/connections")
                assert "Remove access" in page.text
                await browser.change(f"{site.front.url}/connections", "Remove access")
            async with asyncio.timeout(WAIT):
                async for _ in stream.aiter_bytes():
                    pass  # until it ends
        site.only(0)
        assert (await http.post(url, json=INITIALIZE)).status_code == 401
