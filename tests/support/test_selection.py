"""Which tests are quick, which begin, and when they are spread over workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import selection


class Case:
    """What is asked of a test that pytest has collected."""

    def __init__(self, nodeid: str, *markers: str, fixtures: tuple[str, ...] = ()) -> None:
        self.nodeid = nodeid
        self.fixturenames = fixtures
        self.markers = set(markers)

    def get_closest_marker(self, name: str) -> bool:
        return name in self.markers

    def add_marker(self, marker: Any) -> None:
        self.markers.add(marker.name)


@pytest.mark.parametrize(
    ("needs", "quick"),
    [
        ({"markers": ["asyncio"]}, [0, 3]),
        ({"markers": ["django_db"]}, [0]),
        ({"fixtures": ("db",)}, [0]),
        ({"markers": ["asyncio"], "fixtures": ("transactional_db",)}, [0]),
    ],
)
def test_of_tests_with_an_event_loop_two_cases_are_quick_and_with_a_database_one(
    needs: Any, quick: list[int]
) -> None:
    markers, fixtures = needs.get("markers", []), needs.get("fixtures", ())
    cases: list[Any] = [Case(f"test_many[{number}]", *markers, fixtures=fixtures) for number in range(4)]
    selection.mark_quick(cases)
    assert [number for number, case in enumerate(cases) if "quick" in case.markers] == quick


def test_of_many_cases_with_an_event_loop_the_first_is_quick() -> None:
    cases: list[Any] = [Case(f"test_many[{number}]", "asyncio") for number in range(9)]
    selection.mark_quick(cases)
    assert [number for number, case in enumerate(cases) if "quick" in case.markers] == [0]


@pytest.mark.parametrize("number", range(9))
async def test_the_first_case_is_that_of_the_file_however_the_tests_are_ordered(
    number: int, request: pytest.FixtureRequest
) -> None:
    assert (request.node.get_closest_marker("quick") is not None) == (number == 0)


def test_the_only_case_of_a_test_is_quick() -> None:
    cases: list[Any] = [Case("test_one", "asyncio")]
    selection.mark_quick(cases)
    assert "quick" in cases[0].markers


def test_of_other_tests_every_case_is_quick() -> None:
    cases: list[Any] = [Case(f"test_many[{number}]") for number in range(9)]
    selection.mark_quick(cases)
    assert all("quick" in case.markers for case in cases)


@pytest.mark.parametrize("marker", selection.SLOW)
def test_slow_tests_are_not_quick_and_run_first(marker: str) -> None:
    cases: list[Any] = [Case("test_one"), Case("test_slow", marker), Case("test_other")]
    selection.mark_quick(cases)
    assert cases[1].markers == {marker}
    selection.slow_first(cases)
    assert [case.nodeid for case in cases] == ["test_slow", "test_one", "test_other"]


def test_of_slow_modules_those_with_many_slow_tests_run_first() -> None:
    few = [Case("test_few.py::test_one", "slow"), *(Case(f"test_few.py::test_{n}") for n in range(5))]
    many: list[Any] = [Case(f"test_many.py::test_{n}", "slow") for n in range(2)]
    cases: list[Any] = [*few, *many]
    selection.slow_first(cases)
    assert cases[:3] == [*many, few[0]]


@pytest.mark.parametrize("marker", selection.SLOW)
@pytest.mark.parametrize("marks", ["{}", "[{}, needs_proc]", "[\n    {},\n    needs_proc,\n]"])
def test_a_module_is_slow_whose_marks_begin_with_one_of_slow_tests(
    tmp_path: Path, marker: str, marks: str
) -> None:
    module = tmp_path / "test_one.py"
    module.write_text("import pytest\n\npytestmark = " + marks.format(f"pytest.mark.{marker}") + "\n")
    assert selection.is_slow_module(module)


@pytest.mark.parametrize(
    "line",
    ["pytestmark = pytest.mark.django_db", "pytestmark = pytest.mark.slowly", "@pytest.mark.slow", ""],
)
def test_other_modules_may_have_quick_tests(tmp_path: Path, line: str) -> None:
    module = tmp_path / "test_one.py"
    module.write_text(f"import pytest\n\n{line}\n")
    assert not selection.is_slow_module(module)


def test_no_test_of_a_slow_module_is_marked_quick() -> None:
    modules = [
        path for path in Path(__file__).parents[1].rglob("test_*.py") if selection.is_slow_module(path)
    ]
    assert modules
    assert [path for path in modules if "mark.quick" in path.read_text()] == []


def test_the_slow_modules_of_a_folder_run_one_after_another() -> None:
    of_a = [Case(f"a/test_{n}.py::test_{n}", "slow") for n in range(2)]
    of_b = [Case(f"b/test_{n}.py::test_{n}", "slow") for n in range(2)]
    cases: list[Any] = [of_a[0], of_b[0], of_b[1], of_a[1]]
    selection.slow_first(cases)
    assert cases in ([*of_a, *of_b], [*of_b, *of_a])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tests/test_a.py"], True),
        (["tests/test_a.py::test_one[a.b/c]", "tests/test_b.py"], True),
        (["tests"], False),
        (["tests/test_a.py", "tests/docs/"], False),
    ],
)
def test_files_alone_are_run_in_one_process(arguments: list[str], expected: bool) -> None:
    assert selection.names_files_only(arguments) is expected
