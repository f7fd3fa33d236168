import pytest

from oauth_app.http.client_ip import UNKNOWN, client_address, normalised


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "address"),
    [
        ("192.0.2.1", "", 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", 0, "192.0.2.1"),  # nobody vouches for it
        ("10.0.0.1", "198.51.100.7", 1, "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", 1, "198.51.100.7"),  # the first is the client's own invention
        ("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.2", 2, "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7", 2, "10.0.0.1"),  # came by another way
        ("10.0.0.1", "", 1, "10.0.0.1"),
        ("10.0.0.1", "nonsense", 1, "10.0.0.1"),
        ("", "", 0, UNKNOWN),
        ("", "198.51.100.7", 1, "198.51.100.7"),  # the proxy comes by a Unix socket
    ],
)
def test_only_what_a_proxy_of_ours_wrote_counts(remote, forwarded, proxies, address):
    assert client_address(remote, forwarded, proxies) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:3::5]:4711", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unix:", None),
        ("300.1.1.1", None),
        ("", None),
    ],
)
def test_one_customer_is_one_address(text, address):
    assert normalised(text) == address
