"""Elicitation in URL mode: requested, required by an error, and in each revision."""

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    URL_ELICITATION_REQUIRED,
    ClientCapabilities,
    ElicitationCapability,
    ElicitResult,
    InputRequiredResult,
)

from .support import MODERN, Answers, Exchange, connect, text

NAME = "trigger-url-elicitation"
URL = "https://example.com/consent"
URL_MODE = ClientCapabilities(elicitation=ElicitationCapability.model_validate({"url": {}}))


def asking(answer=None, **options):
    return Exchange(capabilities=URL_MODE, answer=answer or {"action": "accept"}, **options)


async def test_the_user_is_sent_to_the_page_and_the_client_is_notified_of_the_completion(server):
    exchange = asking()
    assert URL in await exchange.call(server, NAME, {"url": URL, "elicitationId": "e1", "message": "Go"})
    method, params, _ = exchange.asked[0]
    assert method == "elicitation/create"
    assert params == {"mode": "url", "url": URL, "message": "Go", "elicitationId": "e1"}
    assert exchange.own == [("notifications/elicitation/complete", {"elicitationId": "e1"})]


async def test_an_elicitation_without_an_id_gets_one_of_its_own(server):
    ids = []
    for _ in range(2):
        exchange = asking()
        await exchange.call(server, NAME, {"url": URL})
        ids.append(exchange.asked[0][1]["elicitationId"])
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://a\nb.example/\t x", "https://ab.example/%20x"),
        ("https:evil.example", "https://evil.example/"),
        ("HTTPS://Example.com", "https://example.com/"),
        ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
    ],
)
async def test_the_client_gets_a_valid_url_whatever_was_forgiven(server, given, sent):
    exchange = asking()
    assert sent in await exchange.call(server, NAME, {"url": given})
    assert exchange.asked[0][1]["url"] == sent


@pytest.mark.parametrize("url", ["ftp://example.com", "javascript:alert(1)", "https://", ""])
async def test_what_is_no_web_page_is_not_asked_for(server, url):
    exchange = asking()
    assert "must be an http or https URL" in await exchange.call(server, NAME, {"url": url})
    assert exchange.asked == []


async def test_a_url_that_is_too_long_is_said_to_be(server):
    exchange = asking()
    shown = await exchange.call(server, NAME, {"url": URL.ljust(5010, "x")})
    assert "at most" in shown
    assert "must be an http" not in shown
    assert exchange.asked == []


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_refusal_is_a_result_and_completes_nothing(server, action):
    exchange = asking({"action": action})
    assert "The user" in await exchange.call(server, NAME, {"url": URL})
    assert exchange.own == []


async def test_the_error_path_requires_the_visit(server):
    with pytest.raises(MCPError) as caught:
        await asking().call(server, NAME, {"url": URL, "elicitationId": "e1", "errorPath": True})
    assert caught.value.code == URL_ELICITATION_REQUIRED
    (demanded,) = caught.value.data["elicitations"]
    assert (demanded["mode"], demanded["url"], demanded["elicitationId"]) == ("url", URL, "e1")


@pytest.mark.parametrize("error_path", [True, False])
async def test_a_client_that_supports_only_forms_is_not_sent_to_a_page(server, error_path):
    exchange = Exchange(capabilities=ClientCapabilities(elicitation=ElicitationCapability()))
    arguments = {"url": URL, "errorPath": error_path}
    assert "elicitation" in await exchange.call(server, NAME, arguments)
    assert exchange.asked == []


@pytest.mark.parametrize("error_path", [True, False])
@pytest.mark.parametrize("declared", [{}, {"url": {}}, {"form": {}}, None])
@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18"])
async def test_a_client_of_a_revision_without_url_mode_is_told_which_one_has_it(
    server, revision, declared, error_path
):
    capabilities = ClientCapabilities.model_validate({"elicitation": declared})
    exchange = Exchange(version=revision, capabilities=capabilities)
    shown = await exchange.call(server, NAME, {"url": URL, "errorPath": error_path})
    assert "requires 2025-11-25" in shown
    assert revision in shown
    assert exchange.asked == []


async def test_in_2026_07_28_it_is_a_round_without_an_id_whatever_the_error_path(server):
    answers = Answers(form=ElicitResult(action="accept"))
    async with connect(server, MODERN, answers) as client:
        arguments = {"url": URL, "errorPath": True, "elicitationId": "e1"}
        first = await client.session.call_tool(NAME, arguments, allow_input_required=True)
        assert isinstance(first, InputRequiredResult)
        (request,) = first.input_requests.values()
        assert (request.params.mode, request.params.url) == ("url", URL)
        assert request.params.elicitation_id is None
        assert URL in text(await client.call_tool(NAME, arguments))


async def test_in_2026_07_28_url_mode_must_be_declared(server):
    async with connect(server, MODERN) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(NAME, {"url": URL})
    assert caught.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
    assert caught.value.data == {"requiredCapabilities": {"elicitation": {"url": {}}}}
