"""docs/production.md: the sample configuration of the proxy keeps its promises."""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import blocks


@pytest.fixture
def sample() -> str:
    (found,) = blocks("production.md", "nginx")
    return found


def test_a_stream_that_a_leaving_process_refuses_is_opened_in_another_and_no_post_is_repeated(
    sample: str,
) -> None:
    (causes,) = re.findall(r"^ *proxy_next_upstream (.*);", sample, re.MULTILINE)
    assert set(causes.split()) == {"error", "timeout", "http_503"}


def test_no_process_is_taken_for_dead_because_one_request_came_too_early(sample: str) -> None:
    servers = re.findall(r"^ *server (127.*);", sample, re.MULTILINE)
    assert len(servers) > 1
    assert all(server.endswith(" max_fails=0") for server in servers)


def test_the_access_log_has_no_query_strings_which_contain_codes(sample: str) -> None:
    (name, format_), *others = re.findall(r"log_format (\w+) ([^;]*);", sample)
    assert not others
    assert re.findall(r"access_log \S+ (\w+);", sample) == [name]
    variables = set(re.findall(r"\$(\w+)", format_))
    assert "uri" in variables
    assert not variables & {"request", "request_uri", "args", "query_string", "http_referer"}
