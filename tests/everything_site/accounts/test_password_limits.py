"""Guessing a password is slow, whatever the addresses are, and locks nobody out for ever."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Http
from django.urls import reverse
from django.utils.html import escape

from oauth_app.conf import PASSWORD_LIMITS
from oauth_app.http import rate_limits
from oauth_app.http.client_ip import normalised
from tests.support.audit_lines import audit_in

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def limited(settings: Any) -> Any:
    settings.OAUTH_RATE_LIMITS = {"password": "3/minute", "account": "5/minute"}
    settings.OAUTH_TRUSTED_PROXIES = 1
    rate_limits.limiter.cache_clear()
    yield
    rate_limits.limiter.cache_clear()


@pytest.fixture
def operator() -> User:
    """An operator whose name has not been tried before."""
    return User.objects.create_superuser(f"operator-{secrets.token_hex(6)}", password=PASSWORD)


def test_passwords_keep_their_limits_if_only_others_are_set(operator: User, settings: Any) -> None:
    settings.OAUTH_RATE_LIMITS = {"token": "300/minute"}
    http = at_another_address()
    most = int(PASSWORD_LIMITS["password"].partition("/")[0])
    assert [attempt(http, operator).status_code for _ in range(most + 1)] == [200] * most + [429]


def test_without_any_limits_passwords_have_none(operator: User, settings: Any) -> None:
    settings.OAUTH_RATE_LIMITS = {}
    http = at_another_address()
    most = int(PASSWORD_LIMITS["password"].partition("/")[0])
    assert {attempt(http, operator).status_code for _ in range(most + 1)} == {200}


def at_another_address(http: Http | None = None) -> Http:
    http = http or Http()
    a, b = secrets.randbelow(65536), secrets.randbelow(65536)
    http.defaults["HTTP_X_FORWARDED_FOR"] = f"2001:db8:{a:x}:{b:x}::1"
    return http


def another_browser(http: Http) -> Http:
    """One without cookies, at the same address."""
    other = Http()
    other.defaults.update(http.defaults)
    return other


def attempt(http: Http, user: User | str, password: str = "wrong", path: str = LOGIN) -> Any:
    name = user if isinstance(user, str) else user.username
    return http.post(path, {"username": name, "password": password, "next": "/admin/"})


def guess_everywhere(user: User, times: int = 5) -> None:
    """Wrong passwords, each from an address of its own."""
    for _ in range(times):
        assert attempt(at_another_address(), user).status_code == 200


def test_the_audit_says_from_where_too_many_passwords_were_tried(operator: User, tmp_path: Path) -> None:
    http = at_another_address()
    with audit_in(tmp_path / "audit.log") as lines:
        for _ in range(4):
            attempt(http, operator)
    line = lines.one(reason="too many attempts")
    assert line["username"] == operator.username
    assert line["address"] == normalised(http.defaults["HTTP_X_FORWARDED_FOR"])


def test_an_address_may_try_few_passwords(operator: User) -> None:
    http = at_another_address()
    for name in ("one", "two", "three"):
        assert attempt(http, name + secrets.token_hex(4)).status_code == 200
    answer = attempt(http, operator, PASSWORD)
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["Cache-Control"] == "no-store"
    assert "text/html" in answer["Content-Type"]
    assert "too many attempts" in answer.content.decode().lower()
    assert "_auth_user_id" not in http.session
    assert attempt(at_another_address(), operator, PASSWORD).status_code == 302


def test_an_account_may_be_tried_a_few_times_from_all_addresses_together(operator: User) -> None:
    guess_everywhere(operator)
    answer = attempt(at_another_address(), operator, PASSWORD)
    assert answer.status_code == 429
    assert "Retry-After" in answer
    other = User.objects.create_superuser(f"other-{secrets.token_hex(6)}", password=PASSWORD)
    assert attempt(at_another_address(), other, PASSWORD).status_code == 302


@pytest.mark.parametrize(
    "spelling", ["{} ", "\t{}", "\uff4f{}", "{}\u00a0"], ids=["space", "tab", "wide letter", "no-break space"]
)
def test_another_spelling_of_a_name_is_the_same_account(operator: User, spelling: str) -> None:
    name = operator.username
    spelt = spelling.format(name[1:] if spelling.startswith("\uff4f") else name)
    for _ in range(5):
        assert attempt(at_another_address(), spelt).status_code == 200
    assert attempt(at_another_address(), operator, PASSWORD).status_code == 429


def test_a_stranger_does_not_lock_out_a_browser_that_has_signed_in_before(operator: User) -> None:
    known = at_another_address()
    assert attempt(known, operator, PASSWORD).status_code == 302
    known.post(reverse("admin:logout"))
    guess_everywhere(operator, 4)
    assert attempt(at_another_address(), operator, PASSWORD).status_code == 429
    assert attempt(at_another_address(known), operator, PASSWORD).status_code == 302


def test_somebody_at_the_same_address_does_not_lock_out_such_a_browser_either(operator: User) -> None:
    known = at_another_address()
    assert attempt(known, operator, PASSWORD).status_code == 302
    colleague = another_browser(known)
    statuses = [attempt(colleague, operator).status_code for _ in range(4)]
    assert statuses[-1] == 429
    assert attempt(colleague, operator, PASSWORD).status_code == 429
    assert attempt(known, operator, PASSWORD).status_code == 302


def test_such_a_browser_may_sign_in_as_often_as_it_likes(operator: User) -> None:
    known = at_another_address()
    assert {attempt(known, operator, PASSWORD).status_code for _ in range(8)} == {302}


def test_its_failures_do_not_count_for_its_address(operator: User) -> None:
    known = at_another_address()
    attempt(known, operator, PASSWORD)
    for _ in range(4):
        attempt(known, operator)
    assert attempt(another_browser(known), operator, PASSWORD).status_code == 302


def test_the_log_says_who_signs_in_who_fails_and_who_is_kept_out(
    operator: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    http = at_another_address()
    assert attempt(http, operator, PASSWORD).status_code == 302
    stranger = at_another_address()
    long_name = "somebody" + "x" * 1000
    while attempt(stranger, long_name).status_code != 429:
        pass
    said = {line.getMessage(): vars(line) for line in caplog.records if "account" in vars(line)}
    assert said["signed in to the admin"]["account"] == operator.username
    assert said["signed in to the admin"]["address"] == normalised(http.defaults["HTTP_X_FORWARDED_FOR"])
    for message in ("sign-in to the admin failed", "too many requests"):
        assert long_name.startswith(said[message]["account"])
        assert len(said[message]["account"]) < 200


def test_such_a_browser_may_not_try_without_end_either(operator: User) -> None:
    known = at_another_address()
    attempt(known, operator, PASSWORD)
    known.post(reverse("admin:logout"))
    statuses = [attempt(at_another_address(known), operator).status_code for _ in range(6)]
    assert statuses[-1] == 429


def test_such_a_browser_is_known_for_its_own_account_only(operator: User) -> None:
    mallory = User.objects.create_superuser(f"mallory-{secrets.token_hex(6)}", password=PASSWORD)
    http = at_another_address()
    attempt(http, mallory, PASSWORD)
    http.post(reverse("admin:logout"))
    guess_everywhere(operator)
    assert attempt(at_another_address(http), operator, PASSWORD).status_code == 429


def test_the_cookie_of_such_a_browser_is_no_secret_of_the_account(operator: User) -> None:
    http = at_another_address()
    (cookie,) = [
        cookie
        for name, cookie in attempt(http, operator, PASSWORD).cookies.items()
        if name.endswith("-known")
    ]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert operator.username not in cookie.value
    stranger = Http()
    stranger.cookies[cookie.key] = cookie.value
    assert stranger.get("/admin/").status_code == 302


def test_only_whoever_knows_the_password_gets_it(operator: User) -> None:
    answer = attempt(at_another_address(), operator)
    assert not [name for name in answer.cookies if name.endswith("-known")]


def test_a_success_does_not_let_an_address_try_more(operator: User) -> None:
    http = at_another_address()
    assert attempt(http, operator, PASSWORD).status_code == 302
    for _ in range(2):
        attempt(http, "somebody" + secrets.token_hex(4))
    assert attempt(another_browser(http), operator, PASSWORD).status_code == 429


def test_looking_at_the_form_is_not_limited() -> None:
    http = at_another_address()
    for _ in range(10):
        assert http.get(LOGIN).status_code == 200


def test_the_old_password_may_not_be_guessed_when_it_is_changed(operator: User) -> None:
    http = at_another_address()
    http.force_login(operator)
    form = {"old_password": "wrong", "new_password1": "n" * 20, "new_password2": "n" * 20}
    path = reverse("admin:password_change")
    for _ in range(5):
        assert at_another_address(http).post(path, form).status_code == 200
    assert at_another_address(http).post(path, form | {"old_password": PASSWORD}).status_code == 429


@pytest.mark.parametrize("name", ["", "x" * 100_000, "\0", "a\nb", "%s{}", "\ud83d"])
def test_any_name_can_be_counted(name: str) -> None:
    sent = name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    answers = [attempt(at_another_address(), sent).status_code for _ in range(2)]
    assert set(answers) <= {200, 400, 429}


def test_the_page_names_nobody(operator: User) -> None:
    guess_everywhere(operator)
    page = attempt(at_another_address(), operator).content.decode()
    assert escape(operator.username) not in page


def test_without_limits_nothing_is_counted(operator: User, settings: Any) -> None:
    settings.OAUTH_RATE_LIMITS = {}
    guess_everywhere(operator, 8)
    assert attempt(at_another_address(), operator, PASSWORD).status_code == 302
