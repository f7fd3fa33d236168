"""Everything Server with the official Python client: signs in and walks every feature.

    python docs/clients/python_client.py http://localhost:3232/mcp [--as NAME] [--revision REVISION]

It prints a URL to open in a browser; with `--as` it plays the browser itself, as NAME at the fake identity
provider. The first answer that is not as expected ends it with status 1.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import argparse
import asyncio
import re
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any, Literal
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp import Client, MCPError
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.types import (
    CallToolResult,
    CreateMessageResult,
    ElicitResult,
    ListRootsResult,
    PromptReference,
    Request,
    ResourceLink,
    ResourceUpdatedNotification,
    Result,
    Root,
    TextContent,
)
from tasks_extension import Tasks

MODERN = "2026-07-28"
WAIT = 30


class Memory:
    """Keeps the registration and the tokens for as long as this script runs."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class SignIn:
    """What happens between the authorization URL and the client's callback.

    The callback is a port of this computer that nobody uses: authorization servers take any (RFC 8252 §7.3).

    Args:
        name: Who to be; without it a person signs in with a browser of their own.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._answers: asyncio.Queue[str] = asyncio.Queue(maxsize=1)

    async def __aenter__(self) -> SignIn:
        self._listener = await asyncio.start_server(self._called_back, "127.0.0.1", 0)
        self.callback = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._listener.close()

    async def open(self, url: str) -> None:
        if self._name is None:
            say("Open this in a browser", url)
        else:
            await self._play_browser(url, self._name)

    async def wait(self) -> AuthorizationCodeResult:
        back = await asyncio.wait_for(self._answers.get(), 600)
        answer = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        if "code" not in answer:
            raise SystemExit(f"No access was given: {answer.get('error')}")
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))

    async def _called_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readline()).decode().split(" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nYou can close this page.\n")
        await writer.drain()
        writer.close()
        if target.startswith("/callback?") and self._answers.empty():
            self._answers.put_nowait(target)

    async def _play_browser(self, url: str, name: str) -> None:
        pressed = {"name": name, "decision": "allow"}
        async with httpx2.AsyncClient(timeout=WAIT, follow_redirects=True) as http:
            page = await http.get(url)
            for _ in range(5):
                if str(page.url).startswith(self.callback):
                    return
                action = re.search(r'<form method="post" action="([^"]*)"', page.text)
                token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', page.text)
                assert action, page.text
                assert token, page.text
                # The first page asks for a name, the second for a decision; neither minds the other's field.
                form = {"csrfmiddlewaretoken": token[1], **pressed}
                address = urljoin(str(page.url), unescape(action[1]))
                page = await http.post(address, data=form, headers={"Referer": str(page.url)})
        raise AssertionError("no way back from the sign-in")


class Person:
    """The other side of the client: its person, its model and its roots."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.changed = asyncio.Event()
        self.tasks = Tasks(self.answer)

    async def sample(self, context: Any, params: Any) -> CreateMessageResult:
        return CreateMessageResult(
            role="assistant", content=TextContent(type="text", text="Paris"), model="a-person"
        )

    async def elicit(self, context: Any, params: Any) -> ElicitResult:
        schema = getattr(params, "requested_schema", None) or {}
        confirm = {"confirm": True} if "confirm" in schema.get("properties", {}) else None
        return ElicitResult(action="accept", content=confirm) if confirm else ElicitResult(action="decline")

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What a task asks."""
        return {"action": "accept", "content": {"confirm": True}}

    async def roots(self, context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri="file:///home/alice/project", name="project")])

    async def log(self, params: Any) -> None:
        self.heard.append(params.data)

    async def message(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.changed.set()


def signing_in(url: str, sign_in: SignIn) -> OAuthClientProvider:
    metadata = {
        "client_name": "Python client",
        "redirect_uris": [sign_in.callback],
        "token_endpoint_auth_method": "none",
    }
    return OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata.model_validate(metadata),
        storage=Memory(),
        redirect_handler=sign_in.open,
        callback_handler=sign_in.wait,
    )


@asynccontextmanager
async def connected(url: str, name: str | None, revision: str, person: Person) -> AsyncIterator[Client]:
    async with (
        SignIn(name) as sign_in,
        httpx2.AsyncClient(
            auth=signing_in(url, sign_in), timeout=httpx2.Timeout(WAIT, read=600), follow_redirects=True
        ) as http,
        Client(
            streamable_http_client(url, http_client=http),
            mode="auto" if revision == MODERN else "legacy",
            sampling_callback=person.sample,
            elicitation_callback=person.elicit,
            list_roots_callback=person.roots,
            logging_callback=person.log,
            message_handler=person.message,
            extensions=[person.tasks],
        ) as client,
    ):
        yield client


def say(step: str, *answer: Any) -> None:
    print(f"\n== {step}", *answer, sep="\n", flush=True)


def check(found: Any, wanted: Any) -> None:
    print(str(found)[:300])
    if wanted not in found:
        raise SystemExit(f"Expected: {wanted}")


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def tools(client: Client) -> None:
    say("Tools")
    check([tool.name for tool in (await client.list_tools()).tools], "echo")
    check(text_of(await client.call_tool("add", {"a": 2, "b": 40})), "The sum of 2 and 40 is 42.")
    weather = await client.call_tool("get-structured-content", {"location": "Chicago"})
    check(weather.structured_content or {}, "humidity")
    bad = await client.call_tool("add", {"a": "two", "b": 40})
    check([bad.is_error], True)

    say("Progress")
    heard: list[float] = []

    async def heard_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    arguments = {"duration": 0.3, "steps": 3}
    await client.call_tool("longRunningOperation", arguments, progress_callback=heard_progress)
    check([heard], [1, 2, 3])


async def what_it_asks(client: Client) -> None:
    say("Sampling, elicitation and roots: the client answers")
    answer = await client.call_tool("sampleLLM", {"prompt": "Capital of France?"})
    check(text_of(answer), "LLM sampling result: Paris")
    answer = await client.call_tool("confirm_delete", {"filename": "notes.txt"})
    check(text_of(answer), "notes.txt was deleted")
    check(text_of(await client.call_tool("get-roots-list")), "file:///home/alice/project")


async def resources(client: Client) -> None:
    say("Resources, in pages")
    page = await client.list_resources()
    page = await client.list_resources(cursor=page.next_cursor)
    check([str(resource.uri) for resource in page.resources], "test://static/resource/11")
    check(str((await client.read_resource("test://static/resource/1")).contents), "plaintext resource")
    check(
        [t.uri_template for t in (await client.list_resource_templates()).resource_templates],
        "note://{space}/{id}",
    )
    try:
        await client.read_resource("test://static/resource/101")
    except MCPError as error:
        check(str(error), "test://static/resource/101")
    else:
        raise SystemExit("Expected: an error")


async def prompts(client: Client) -> None:
    say("Prompts and completion")
    prompt = await client.get_prompt("complex_prompt", {"temperature": "0.5", "style": "formal"})
    check(str(prompt.messages), "style=formal")
    reference = PromptReference(type="ref/prompt", name="complex_prompt")
    check((await client.complete(reference, {"name": "style", "value": "f"})).completion.values, "friendly")


async def notes(client: Client, person: Person) -> None:
    say("A note, and who hears of its change")
    created = await client.call_tool("create-note", {"title": "Tea", "text": "Buy some."})
    uri = next(str(block.uri) for block in created.content if isinstance(block, ResourceLink))
    note = {"noteId": uri.rpartition("/")[2]}
    if client.protocol_version == MODERN:
        async with client.listen(resource_subscriptions=[uri]) as stream:
            await client.call_tool("edit-note", {**note, "text": "Bought."})
            check(type(await anext(aiter(stream))).__name__, "Resource")
    else:
        await client.subscribe_resource(uri)
        await client.call_tool("edit-note", {**note, "text": "Bought."})
        await asyncio.wait_for(person.changed.wait(), WAIT)
    check(str((await client.read_resource(uri)).contents), "Bought.")
    check(text_of(await client.call_tool("delete-note", note)), "Deleted")


async def sessions_only(client: Client, person: Person) -> None:
    say("What only the revisions with a session have: ping and a level for log messages")
    await client.send_ping()
    await client.set_logging_level("debug")
    for _ in range(100):
        if person.heard:
            break
        await asyncio.sleep(0.1)
    check([bool(person.heard)], True)


async def apps(client: Client) -> None:
    say("An app")
    check(text_of(await client.call_tool("mcp_apps_hello_world")), "MCP Apps")
    check(str((await client.read_resource("ui://hello-world/app.html")).contents), "<html")


class ListSkills(Request[dict[str, Any], Literal["skills/list"]]):
    method: Literal["skills/list"] = "skills/list"


class SkillList(Result):
    skills: list[dict[str, Any]]


async def extensions(client: Client, person: Person) -> None:
    say("Skills, and a file of one")
    listed = await client.session.send_request(ListSkills(params={}), SkillList)
    check(str(listed.skills), "try-everything")
    check(
        str((await client.read_resource("skill://try-everything/SKILL.md")).contents), "name: try-everything"
    )

    say("Tasks: followed to their end, one of them with a question on the way")
    before = len(person.tasks.followed)
    slow = await client.call_tool("slow_compute", {"seconds": 1, "label": "tea"})
    check(text_of(slow), "tea: computed for 1 seconds.")
    check(text_of(await client.call_tool("confirm_delete", {"filename": "tea.txt"})), "tea.txt was deleted")
    check([len(person.tasks.followed) - before], 2)


async def more_access(client: Client) -> None:
    say("A tool that needs a further scope: the client asks the person for it, and calls again")
    described = await client.call_tool("describe-server")
    check(described.structured_content or {}, "packages")


async def walk(url: str, name: str | None, revision: str) -> None:
    person = Person()
    async with connected(url, name, revision, person) as client:
        say(f"Connected at {client.protocol_version}", client.instructions)
        await tools(client)
        await what_it_asks(client)
        await resources(client)
        await prompts(client)
        await notes(client, person)
        if client.protocol_version != MODERN:
            await sessions_only(client, person)
        else:
            await extensions(client, person)
        await apps(client)
        await more_access(client)
    print("\nEvery feature answered as expected.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="the MCP endpoint, such as http://localhost:3232/mcp")
    parser.add_argument("--as", dest="name", help="sign in as this person, without a browser")
    parser.add_argument("--revision", choices=("2025-11-25", MODERN), default=MODERN)
    options = parser.parse_args()
    # The client calls what 2026-07-28 deprecated by that name; this server shows it all the same.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    asyncio.run(walk(options.url, options.name, options.revision))


if __name__ == "__main__":
    main()
