import pytest

from oauth_app.display_names import sanitized


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Claude Code", "Claude Code"),
        ("  two\n\tlines  ", "two lines"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("\u2066a\u2069\u200b\ufeff", "a"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("\ud800", ""),
        ("\u3164\u2800", ""),
        ("\u115fa\u1160\uffa0b", "ab"),
        ("\u034f\u17b4\u180b\ufe0f\U000e0100", ""),
        ("\U0001d159\U00013441\U00016fe4", ""),
        ("\u0300\u20e3", ""),
        ("\u0300Cafe\u0301", "Cafe\u0301"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("Ünïcode 日本語", "Ünïcode 日本語"),
        ("x" * 500, "x" * 100),
    ],
)
def test_invisible_characters_are_dropped(name, shown):
    assert sanitized(name) == shown
