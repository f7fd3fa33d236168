"""A real Prometheus scrapes two real processes: sums are exact, and each query of deploy/monitoring works."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.docs.markdown import DOCS, code, rows
from tests.support.client import connect
from tests.support.deployment import Deployment, deployment
from tests.support.processes import free_port
from tests.support.waiting import eventually

MONITORING = DOCS.parent / "deploy" / "monitoring"
ALERTS = MONITORING / "alerts.yml"
DASHBOARD = MONITORING / "grafana-dashboard.json"
STARTUP_SECONDS = 30

needs_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")), reason="Prometheus is not installed"
)
EXPORTER = shutil.which("prometheus-redis-exporter") or shutil.which("redis_exporter")

CALLS = 20
"""How often each client calls the tool."""


class Prometheus:
    """A Prometheus that scrapes every second."""

    def __init__(self, folder: Path, targets: dict[str, list[int]]) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        jobs = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
            for job, ports in targets.items()
        ]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": jobs,
        }
        self._config = folder / "prometheus.json"  # which is YAML as well
        self._config.write_text(json.dumps(config))
        self._data = folder / "data"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        command = ["prometheus", f"--config.file={self._config}", f"--storage.tsdb.path={self._data}"]
        command += [f"--web.listen-address={self.url.removeprefix('http://')}", "--log.level=error"]
        with _running(command), contextlib.ExitStack() as stack:
            deadline = time.monotonic() + STARTUP_SECONDS
            while True:
                with contextlib.suppress(OSError):
                    stack.enter_context(urllib.request.urlopen(f"{self.url}/-/ready", timeout=5))
                    break
                assert time.monotonic() < deadline, "Prometheus does not start"
                time.sleep(0.1)
            yield

    def ask(self, path: str, **query: str) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as response:
            answer = json.load(response)
        assert answer["status"] == "success"
        return answer["data"]

    def results(self, query: str) -> list[Any]:
        """What an instant query returns: its time series now."""
        found: list[Any] = self.ask("query", query=query)["result"]
        return found

    def value(self, query: str) -> float:
        """The value of a query that has one, or 0 if it has none."""
        found = self.results(query)
        assert len(found) <= 1
        return float(found[0]["value"][1]) if found else 0.0

    def has_scraped_since(self, moment: float) -> bool:
        """Whether all targets have been scraped since a moment."""
        targets = self.ask("targets", state="active")["activeTargets"]
        return all(target["health"] == "up" for target in targets) and not self.results(
            f"timestamp(up) < {moment}"
        )


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def site() -> Iterator[Deployment]:
    with deployment() as made:
        yield made


@pytest.fixture(scope="module")
def prometheus(site: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    targets = {"everything": [server.port for server in site.servers]}
    with contextlib.ExitStack() as stack:
        if EXPORTER:
            port = free_port()
            address = f"127.0.0.1:{port}"
            redis_url = site.installation.environment["REDIS_URL"]
            options = [f"-redis.addr={redis_url}", f"-web.listen-address={address}"]
            stack.enter_context(_running([EXPORTER, *options]))
            targets["redis"] = [port]
        found = Prometheus(tmp_path_factory.mktemp("prometheus"), targets)
        stack.enter_context(found.running())
        yield found


async def _load(site: Deployment) -> None:
    """A known load: two official clients of each era, and what else a day brings."""

    async def client(mode: str, person: str) -> None:
        async with connect(site.mcp_url, mode, person=person) as mcp:
            for number in range(CALLS):
                await mcp.call_tool("echo", {"message": f"{number}"})
            with contextlib.suppress(Exception):
                await mcp.call_tool("no-such-tool", {})

    people = [(mode, person) for mode in ("legacy", "auto") for person in ("alice", "bob")]
    await asyncio.gather(*(client(*each) for each in people))
    async with httpx2.AsyncClient() as http:
        assert (await http.post(site.mcp_url, json={})).status_code == 401


@pytest.fixture(scope="module")
def loaded(site: Deployment, prometheus: Prometheus) -> Prometheus:
    """Prometheus, which has scraped all processes before and after the load."""

    async def run() -> None:
        await eventually(lambda: prometheus.has_scraped_since(time.time() - 5), within=30)
        await _load(site)
        # Gauges follow with the next heartbeat, and rates need two scrapes.
        await eventually(lambda: prometheus.value(f"{_CALLS}") == 4 * CALLS, within=30)
        moment = time.time() + 2
        await eventually(lambda: prometheus.has_scraped_since(moment), within=30)

    asyncio.run(run())
    return prometheus


_CALLS = 'sum(mcp_server_operation_duration_seconds_count{gen_ai_tool_name="echo"})'


@pytest.mark.processes
@needs_prometheus
def test_over_two_processes_each_call_is_counted_once(loaded: Prometheus) -> None:
    assert loaded.value(_CALLS) == 4 * CALLS
    each = loaded.results(_CALLS.replace("sum(", "sum by (instance) ("))
    assert len(each) == 2
    assert all(float(one["value"][1]) > 0 for one in each)
    unknown = 'sum(mcp_server_operation_duration_seconds_count{gen_ai_tool_name="_OTHER"})'
    assert loaded.value(unknown) == 4
    tokens = 'sum(oauth_app_tokens_issued_total{grant_type="authorization_code"})'
    assert loaded.value(tokens) == 4
    assert loaded.value("max(mcp_app_shared_processes)") == 2
    opened = loaded.value("sum(mcp_app_sessions_opened_total)")
    ended = loaded.value("sum(mcp_server_session_duration_seconds_count)")
    assert opened == 2
    assert loaded.value("max(mcp_app_shared_sessions)") == opened - ended


def dashboard_queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


@pytest.mark.processes
@needs_prometheus
def test_every_query_of_the_dashboard_returns_something(loaded: Prometheus) -> None:
    empty = []
    for query in dashboard_queries():
        asked = query.replace("$__rate_interval", "5m").replace("$job", "everything")
        assert "$" not in asked
        if not loaded.results(asked):
            empty.append(query)
    assert not empty


@pytest.mark.processes
@needs_prometheus
def test_every_alert_can_be_computed_and_none_fires_without_a_reason(loaded: Prometheus) -> None:
    [group] = loaded.ask("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    lacking = []
    for rule in group["rules"]:
        # Without its threshold, each has a value; with it, most have none, as they should.
        value = re.sub(r"\s*(==|<|>) [\d.]+$", "", rule["query"].strip())
        assert value != rule["query"].strip(), rule["query"]
        of_redis = rule["name"].startswith("Redis")
        if of_redis and not EXPORTER:
            continue
        if rule["name"] == "RedisMemory":  # the embedded server has no limit
            value = "redis_memory_used_bytes / redis_memory_max_bytes"
        if not loaded.results(value):
            lacking.append(rule["name"])
    assert not lacking
    assert {alert["labels"]["alertname"] for alert in loaded.ask("alerts")["alerts"]} <= {"ErrorsLogged"}


def test_the_alerts_are_those_of_the_documentation() -> None:
    documented = [code(row["Alert"])[0] for row in rows("monitoring.md", "Alert", "When")]
    assert documented == re.findall(r"- alert: (\w+)", ALERTS.read_text())


@needs_prometheus
def test_promtool_accepts_the_rules_and_the_configuration(tmp_path: Path) -> None:
    folder = shutil.copytree(MONITORING, tmp_path / "monitoring")
    (folder / "token").touch()
    sample = folder / "prometheus.yml"
    sample.write_text(re.sub(r"credentials_file: .*", "credentials_file: token", sample.read_text()))
    for command in (["rules", ALERTS.name], ["config", sample.name]):
        done = subprocess.run(
            ["promtool", "check", *command], cwd=folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


@needs_prometheus
def test_alerts_fire_when_they_should_and_not_during_a_shutdown(tmp_path: Path) -> None:
    def series(name: str, values: str) -> dict[str, str]:
        return {"series": name, "values": values}

    def fires(name: str, minute: int, **labels: str) -> dict[str, Any]:
        expected = [{"exp_labels": labels}] if labels else []
        return {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": expected}

    here = 'job="everything", instance="a"'
    gone = 'job="everything", instance="b"'
    given = [
        series(f"up{{{here}}}", "1x10"),
        series(f"up{{{gone}}}", "1 1 0x10"),
        series(f'mcp_app_ready{{{here}, need="redis"}}', "1 1 0x10"),
        series(f"mcp_app_draining{{{here}}}", "0x10"),
        series(f'mcp_app_ready{{{gone}, need="redis"}}', "1 1 0x10"),
        series(f"mcp_app_draining{{{gone}}}", "0 1x10"),
        series(f'everything_site_log_records_total{{{here}, level="error"}}', "0 0 1x10"),
        series(f'everything_site_log_records_total{{{gone}, level="warning"}}', "0 0 1x10"),
        series(f'mcp_app_calls_recovered_total{{{here}, kind="session"}}', "0 0 2x10"),
        series(f"mcp_app_shared_processes{{{here}}}", "2 2 1x10"),
        series(f"mcp_app_shared_processes{{{gone}}}", "2 2 1x10"),
        series("redis_memory_used_bytes", "90x10"),
        series("redis_memory_max_bytes", "100x10"),
    ]
    tests = [
        fires("ProcessDown", 1),
        fires("ProcessDown", 4, severity="critical", job="everything", instance="b"),
        fires("NotReady", 1),
        fires("NotReady", 4, severity="critical", job="everything", instance="a", need="redis"),
        fires("ErrorsLogged", 3, severity="warning", instance="a"),
        fires("CallsRecovered", 1),
        fires("CallsRecovered", 3, severity="warning"),
        fires("ProcessMissing", 3),
        fires("ProcessMissing", 5, severity="warning"),
        fires("RedisMemory", 6, severity="critical"),
    ]
    file = tmp_path / "tests.json"
    unit = {"interval": "1m", "input_series": given, "alert_rule_test": tests}
    file.write_text(json.dumps({"rule_files": [str(_without_annotations(tmp_path))], "tests": [unit]}))
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _without_annotations(folder: Path) -> Path:
    """The rules without their texts, which a test of promtool would have to repeat."""
    copy = folder / "alerts.yml"
    copy.write_text(re.sub(r"\n +annotations:\n +summary:.*", "", ALERTS.read_text()))
    return copy
