"""Metrics in the format of Prometheus: names, the registry of the project, and several processes at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import REGISTRY, Counter

from mcp_app.monitoring import catalogue
from mcp_app.monitoring.metrics import Metric, Metrics
from mcp_app.monitoring.prometheus import PrometheusPage
from tests.support.metrics import Samples

SHOWN = """
import json, sys
from mcp_app.monitoring import catalogue
from mcp_app.monitoring.metrics import Metrics
from mcp_app.monitoring.prometheus import PrometheusPage

metrics = Metrics(PrometheusPage())
metrics.declare(catalogue.ENGINE)
metrics.record(catalogue.CALLS_RECOVERED, 2, "session")
metrics.record(catalogue.OPERATION_DURATION, 0.5, "tools/call", "echo", "", "2025-11-25")
metrics.record(catalogue.STREAMS_OPEN, 3, "listen")
metrics.record(catalogue.SHARED_SESSIONS, 5)
metrics.record(catalogue.READY, int(sys.argv[1]), "redis")
print("said", flush=True)
sys.stdin.readline()
print(json.dumps(metrics.page.render("")[1].decode()), flush=True)
sys.stdin.readline()
metrics.close()
"""

NOBODY = 2**22 + 1
"""The id of no process: Linux gives none above 2**22."""


WITHOUT = """
import sys
sys.modules["prometheus_client"] = None
import django
django.setup()
from mcp_app.checks import check_metrics
from mcp_app.runtime import Runtime
Runtime()
from django.test import override_settings
with override_settings(MCP_METRICS_PATH="/metrics"):
    print(*[message.id for message in check_metrics(None)])
    try:
        Runtime()
    except Exception as error:
        print(error)
"""


def shown(page: PrometheusPage) -> Samples:
    content_type, text = page.render("")
    assert content_type.startswith("text/plain")
    return Samples(text.decode())


def test_every_name_is_that_of_the_convention_with_underscores_and_a_unit() -> None:
    def name(metric: Metric) -> str:
        return metric.prometheus_name

    assert name(catalogue.OPERATION_DURATION) == "mcp_server_operation_duration_seconds"
    assert name(catalogue.SESSION_DURATION) == "mcp_server_session_duration_seconds"
    assert name(catalogue.CALLS_RECOVERED) == "mcp_app_calls_recovered_total"
    assert name(catalogue.SHARED_SESSIONS) == "mcp_app_shared_sessions"
    assert catalogue.OPERATION_DURATION.labels == (
        "mcp_method_name",
        "gen_ai_tool_name",
        "error_type",
        "mcp_protocol_version",
    )


def test_what_the_project_measures_itself_is_shown_as_well() -> None:
    own = Counter("orders_placed", "Of the project.")
    try:
        own.inc(4)
        assert shown(PrometheusPage()).sum("orders_placed_total") == 4
    finally:
        REGISTRY.unregister(own)


def test_what_is_recorded_for_one_runtime_is_not_shown_by_another() -> None:
    page, other = PrometheusPage(), PrometheusPage()
    for one in (page, other):
        Metrics(one).declare([catalogue.CALLS_RECOVERED])
    Metrics(page).record(catalogue.CALLS_RECOVERED, 3, "task")
    assert shown(page).sum("mcp_app_calls_recovered_total", kind="task") == 3
    assert shown(other).sum("mcp_app_calls_recovered_total") == 0


def test_processes_that_share_a_folder_show_the_sums_and_one_that_has_ended_keeps_its_counters(
    tmp_path: Path,
) -> None:
    processes = [_start(tmp_path, "1"), _start(tmp_path, "0")]
    try:
        for process in processes:
            _await(process)
        first, second = processes
        both = _ask(first)
        assert both.sum("mcp_app_calls_recovered_total", kind="session") == 4
        assert both.sum("mcp_server_operation_duration_seconds_count", gen_ai_tool_name="echo") == 2
        assert both.sum("mcp_app_streams_open", kind="listen") == 6
        assert both.sum("mcp_app_shared_sessions") == 5
        assert both.sum("mcp_app_ready", need="redis") == 0
        first.communicate("\n", timeout=30)
        left = _ask(second)
        assert left.sum("mcp_app_calls_recovered_total", kind="session") == 4
        assert left.sum("mcp_app_streams_open", kind="listen") == 3
    finally:
        for process in processes:
            process.communicate("\n\n" if process.poll() is None else None, timeout=30)


def test_what_a_killed_process_has_left_open_is_gone_when_the_next_one_starts(tmp_path: Path) -> None:
    killed = _start(tmp_path, "0")
    _await(killed)
    killed.kill()
    killed.communicate(timeout=30)
    following = _start(tmp_path, "1")
    try:
        _await(following)
        found = _ask(following)
    finally:
        following.communicate("\n", timeout=30)
    assert found.sum("mcp_app_ready", need="redis") == 1
    assert found.sum("mcp_app_streams_open", kind="listen") == 3
    assert found.sum("mcp_app_calls_recovered_total", kind="session") == 4


def test_processes_that_start_at_once_may_forget_the_same_killed_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = tmp_path / f"gauge_livesum_{NOBODY}.db"
    left.touch()

    def removed_by_another(path: str) -> None:
        Path(path).unlink()
        raise FileNotFoundError(path)

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(os, "remove", removed_by_another)
    PrometheusPage()
    assert not left.exists()


def test_a_file_with_a_number_that_no_process_has_keeps_nobody_from_starting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = tmp_path / f"gauge_livesum_{'9' * 30}.db"
    left.touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    PrometheusPage()
    assert not left.exists()


def _start(folder: Path, ready: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", SHOWN, ready]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def _await(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "said\n"


def _ask(process: subprocess.Popen[str]) -> Samples:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return Samples(json.loads(process.stdout.readline()))


def test_a_folder_that_does_not_exist_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ImproperlyConfigured, match="PROMETHEUS_MULTIPROC_DIR"):
        PrometheusPage()


@pytest.mark.slow
def test_the_engine_needs_the_package_only_for_the_path_and_says_so() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
    command = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    check, error = done.stdout.splitlines()
    assert check == "mcp_app.E015"
    assert "prometheus-client" in error
