"""Env files and files with one value: parsed tolerantly, or refused without showing their content."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from everything_site.conf import FROM_ENVIRONMENT, OF_THE_APPS, AnySetting
from everything_site.variables import Variables, as_text, parse

SECRET = "hunter2-and-more"


def read(folder: Path, **process: str) -> Variables:
    return Variables(folder, process)


def refusal(folder: Path, name: str = "", **process: str) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        read(folder, **process).text(name)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("NAME=value", "value"),
        ("\ufeffNAME=value", "value"),
        ("NAME = value", "value"),
        ("  export NAME\t=\tvalue  ", "value"),
        ("# before\r\n\r\nNAME=value\r\nOTHER=x\r\n", "value"),
        ("NAME=value # a comment", "value"),
        ("NAME=val#ue", "val#ue"),
        ("NAME= # nothing", ""),
        ("NAME=", ""),
        ("NAME=a b", "a b"),
        ("NAME=$OTHER\nOTHER=x", "$OTHER"),
        ("NAME=${OTHER}$", "${OTHER}$"),
        ("NAME='a # b' # c", "a # b"),
        ("NAME='$x\\n\"'", '$x\\n"'),
        (r'NAME="one\ntwo \"three\" \$four \\ \d"', 'one\ntwo "three" $four \\ \\d'),
        ("NAME=it's", "it's"),
        ("NAME=a\u2028b\u0085c", "a\u2028b\u0085c"),
        ("NAME=münchen", "münchen"),
        ("NAME=a=b==", "a=b=="),
    ],
)
def test_a_line_is_read_in_all_usual_spellings(tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / ".env").write_bytes(content.encode())
    assert read(tmp_path).text("NAME") == value


@pytest.mark.parametrize(
    "line",
    [
        f"NAME: {SECRET}",
        f"NAME '{SECRET}'",
        f"NAME='{SECRET}",
        f'NAME="{SECRET}\\"',
        f"NAME='{SECRET}' tail",
        f"NAME=#{SECRET}",
        f"MY-NAME={SECRET}",
        f"={SECRET}",
        f"NAME={SECRET}\0",
        SECRET,
    ],
)
def test_a_line_that_cannot_be_read_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"PORT=4000\n{line}\n")
    said = refusal(tmp_path)
    assert "Line 2" in said
    assert str(tmp_path / ".env") in said
    assert SECRET not in said


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / ".env").write_bytes(f"NAME=ü{SECRET}".encode(encoding))
    assert "UTF-8" in refusal(tmp_path)


def test_a_path_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert "must be a file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "ENV_FILE must be a file" in refusal(tmp_path, ENV_FILE="pipe")
    assert "SECRET_KEY_FILE must be a file" in refusal(
        tmp_path, "SECRET_KEY", ENV_FILE=os.devnull, SECRET_KEY_FILE="/dev/zero"
    )


def test_a_link_to_nothing_is_refused_and_no_file_at_all_is_fine(tmp_path: Path) -> None:
    assert read(tmp_path).text("NAME") == ""
    (tmp_path / ".env").symlink_to(tmp_path / "gone")
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize("value", ["$old", "$SECRET_KEY", "${PORT}", "$"])
def test_a_value_of_the_process_is_taken_literally(tmp_path: Path, value: str) -> None:
    assert read(tmp_path, NAME=value, SECRET_KEY="x", PORT="1").text("NAME") == value


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret", "secret"),
        (b" secret ", " secret "),
        (b"\xef\xbb\xbfsecret\n", "secret"),
        (b"$secret", "$secret"),
    ],
)
def test_the_line_end_of_a_file_with_one_value_is_dropped(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "value").write_bytes(content)
    assert read(tmp_path, NAME_FILE=str(tmp_path / "value")).text("NAME") == value
    assert read(tmp_path, NAME_FILE="value").text("NAME") == value, "relative to the project's folder"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff"])
def test_a_file_without_a_value_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "value").write_bytes(content)
    assert refusal(tmp_path, "NAME", NAME_FILE="value").startswith("NAME_FILE")


def test_a_missing_file_and_two_values_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path, "NAME", NAME_FILE="missing")
    (tmp_path / "value").write_text("b")
    assert "both set" in refusal(tmp_path, "NAME", NAME="a", NAME_FILE="value")


def test_the_process_environment_takes_precedence_over_the_env_file_in_either_form(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("from a file")
    (tmp_path / ".env").write_text("ONE_FILE=value\nTWO=from .env\nTHREE_FILE=value\n")
    found = read(tmp_path, ONE="process", TWO_FILE="value", THREE="")
    assert found.text("ONE") == "process"
    assert found.text("TWO") == "from a file"
    assert found.text("THREE") == "from a file", "an empty variable counts as none"


@pytest.mark.parametrize("second", ["PORT=4001", "export PORT = 4000", "PORT=", "PORT='4000'"])
def test_a_variable_that_is_set_twice_is_refused(tmp_path: Path, second: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^PORT is set again in line 3 of "):
        parse(f"PORT=4000\nDEBUG=true\n{second}\n", tmp_path / ".env")


@pytest.mark.parametrize(
    "content", ["first\nsecond\n", "first\n\n", "first\r\nsecond", "\nfirst\n", "first\rsecond"]
)
def test_a_file_of_one_value_has_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_bytes(content.encode())
    with pytest.raises(ImproperlyConfigured, match=r"^SECRET_KEY_FILE names key, which must have one line"):
        Variables(tmp_path, {"SECRET_KEY_FILE": "key"}).text("SECRET_KEY")


ALL = pytest.mark.parametrize("setting", FROM_ENVIRONMENT, ids=lambda setting: setting.variable)


@ALL
def test_a_default_may_be_written_out(tmp_path: Path, setting: AnySetting[Any]) -> None:
    text = as_text(setting.default)
    assert read(tmp_path, **{setting.variable: text}).value(setting) == setting.default


@ALL
def test_invalid_values_of_a_setting_are_refused(tmp_path: Path, setting: AnySetting[Any]) -> None:
    match setting.default:
        case bool():
            wrong, right = ["maybe", "2"], "true or false"
        case int():
            wrong, right = ["1.5", "-1", "7 ", "many", "nan", "1e3", "\u0663", "9" * 5000], "a whole number"
        case float():
            wrong, right = ["-1", "many", "nan", "inf", "1e3", "1_0", "1."], "a number"
        case dict():
            wrong, right = ["token", "=5/minute", "token=1/minute,x"], setting.must_be[0]
        case _:
            return
    for text in wrong:
        with pytest.raises(ImproperlyConfigured, match=f"^{setting.variable} must be {re.escape(right)}"):
            read(tmp_path, **{setting.variable: text}).value(setting)


@ALL
def test_bounds_hold_in_the_environment_too(tmp_path: Path, setting: AnySetting[Any]) -> None:
    if isinstance(setting.default, int) and setting.minimum > 0:
        with pytest.raises(ImproperlyConfigured, match=f"^{setting.variable} must be .* {setting.minimum}"):
            read(tmp_path, **{setting.variable: str(int(setting.minimum) - 1)}).value(setting)
    if setting.maximum < float("inf"):
        with pytest.raises(ImproperlyConfigured, match=f"^{setting.variable} must be .* {setting.maximum}, "):
            read(tmp_path, **{setting.variable: str(int(setting.maximum) + 1)}).value(setting)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MCP_CACHE_SECOND", "MCP_CACHE_SECONDS"),
        ("MCP_ALLOWED_ORIGINS", "ALLOWED_ORIGINS"),
        ("MCP_RESOURCE_URL", "BASE_URI"),
        ("BASE_URL", "BASE_URI"),
        ("redis_url", "REDIS_URL"),
    ],
)
def test_an_unknown_variable_is_pointed_out(tmp_path: Path, name: str, meant: str) -> None:
    said = read(tmp_path, **{name: "x"}).unknown([*FROM_ENVIRONMENT, *OF_THE_APPS])
    assert said == [f"{name} is not read: did you mean {meant}?"]


@pytest.mark.parametrize(
    "name",
    [
        "SECRET_KEY_FILE",
        "MCP_CACHE_SECONDS",
        "MCP_INSPECTOR_SECRET_STORE",
        "TEST_DATABASE_URL",
        "HOME",
        "HTTPS_PROXY",
    ],
)
def test_what_is_read_or_belongs_to_others_is_not_pointed_out(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, **{name: ""}).unknown([*FROM_ENVIRONMENT, *OF_THE_APPS]) == []
