"""docs/production.md: the sample configurations of the proxies keep its promises."""

from __future__ import annotations

import re

import pytest

from mcp_app.conf import Conf
from tests.docs.markdown import DOCS
from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"
LAME_DUCK = "MCP_LAME_DUCK_SECONDS"


@pytest.fixture
def sample() -> str:
    return (DEPLOY / "nginx/everything-server.conf").read_text()


def test_a_stream_that_a_leaving_process_refuses_is_opened_in_another_and_no_post_is_repeated(
    sample: str,
) -> None:
    (causes,) = re.findall(r"^ *proxy_next_upstream (.*);", sample, re.MULTILINE)
    assert set(causes.split()) == {"error", "timeout", "http_503"}


def test_no_process_is_taken_for_dead_because_one_request_came_too_early(sample: str) -> None:
    servers = re.findall(r"^ *server (unix:.*);", sample, re.MULTILINE)
    assert len(servers) > 1
    assert all(server.endswith(" max_fails=0") for server in servers)


def test_the_access_log_has_no_query_strings_which_contain_codes(sample: str) -> None:
    (name, format_), *others = re.findall(r"log_format (\w+) ([^;]*);", sample)
    assert not others
    assert re.findall(r"access_log \S+ (\w+);", sample) == [name]
    variables = set(re.findall(r"\$(\w+)", format_))
    assert "uri" in variables
    assert not variables & {"request", "request_uri", "args", "query_string", "http_referer"}


def test_haproxy_repeats_no_request_and_looks_more_often_than_a_process_serves_after_sigterm() -> None:
    text = (DEPLOY / "haproxy/haproxy.cfg").read_text()
    assert "retry-on" not in text, "it would name responses after which a request is repeated"
    [(inter, fall)] = re.findall(r"default-server check inter (\d+)s fall (\d+)", text)
    recommended = re.findall(r"MCP_LAME_DUCK_SECONDS=(\d+)", text)
    assert recommended
    assert all(int(inter) * int(fall) < int(seconds) for seconds in recommended)


@pytest.mark.parametrize("name", ["everything-server.conf", "compose.conf"])
def test_a_proxy_closes_unused_connections_before_daphne_does_and_before_a_process_that_leaves(
    name: str,
) -> None:
    text = (DEPLOY / "nginx" / name).read_text()
    upstream = text[text.index("upstream") : text.index("server {")]
    [seconds] = re.findall(r"keepalive_timeout (\d+)s;", upstream)
    [of_systemd] = re.findall(
        f"{LAME_DUCK}=(\\d+)", (DEPLOY / "systemd/everything-server@.service").read_text()
    )
    [of_compose] = re.findall(f'{LAME_DUCK}: "(\\d+)"', (ROOT / "docker-compose.yml").read_text())
    [of_the_page] = re.findall(f"^{LAME_DUCK}=(\\d+)", (DOCS / "production.md").read_text(), re.MULTILINE)
    assert int(seconds) < min(60, int(of_systemd), int(of_compose), int(of_the_page))


def test_a_pod_may_take_as_long_to_end_as_its_settings_say() -> None:
    configuration = (DEPLOY / "kubernetes/configuration.yaml").read_text()
    deployment = (DEPLOY / "kubernetes/deployment.yaml").read_text()
    [lame_duck] = re.findall(r'MCP_LAME_DUCK_SECONDS: "(\d+)"', configuration)
    [period] = re.findall(r"terminationGracePeriodSeconds: (\d+)", deployment)
    assert int(period) >= int(lame_duck) + Conf.shutdown_grace_seconds.default + 30
