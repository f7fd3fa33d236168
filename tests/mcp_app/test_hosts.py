import pytest

from mcp_app.hosts import is_loopback


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("app.localhost", True),
        ("example.com", False),
    ],
)
def test_this_computer_is_distinguished_from_others(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local
    assert not is_loopback(None)
