import pytest

from oauth_app import redirects

SCHEMES = frozenset({"cursor", "com.raycast"})


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:6274/oauth/callback",
        "http://localhost:6274/oauth/callback/debug",
        "http://127.0.0.1:33418/",
        "http://127.0.0.1/callback",
        "http://[::1]:8080/callback",
        "https://claude.ai/api/mcp/auth_callback",
        "https://chatgpt.com/connector/oauth/abc123",
        "https://vscode.dev/redirect",
        "https://app.example.com/cb?tenant=1",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "com.raycast:/oauth",
        "com.raycast:/oauth?package=mcp",
        "com.raycast://oauth",
    ],
)
def test_the_callbacks_of_real_clients_may_be_registered(uri):
    assert redirects.fault(uri, SCHEMES) is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/callback",
        "callback",
        "https:",
        "https:///callback",
        "https://user:password@app.example.com/cb",
        "https://@app.example.com/cb",
        "https://app.example.com/cb#fragment",
        "https://app.example.com/cb#",
        "https://*.example.com/cb",
        "https://app.example.com:99999/cb",
        "https://app.example.com:0/cb",
        "https://app.example.com:port/cb",
        "https://[/cb",
        "https://[::1].evil.example/cb",
        "http://[::1].evil.example/cb",
        "http://[::1]evil/cb",
        "cursor://[::1].evil/cb",
        "https://app.example.com/a b",
        "https://app.example.com/\n",
        "https://app.example.com\\@evil.example/cb",
        "https://exämple.com/cb",
        "https://app.example.com/cb?a=%zz",
        "https://app.example.com/cb?a=%",
        "https://app.example.com/cb?q=[x]",
        "https://app.example.com/[x]",
        "https://app_.example.com%/cb",
        "https://app.example.com/cb?code=1",
        "https://app.example.com/cb?iss=x",
        "https://app.example.com/" + "a" * 1000,
        "http://evil.example/cb",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1.evil.example/cb",
        "http://localhost.evil.example/cb",
        "http://10.0.0.1/cb",
        "javascript:alert(1)",
        "data:text/html,hello",
        "file:///etc/passwd",
        "vbscript:x",
        "cursor2://anysphere/cb",
        "cursor:",
        "cursor:/",
        "cursor://",
        "cursor:///callback",
        "cursor:/callback",
        "cursor:callback",
        "cursor://:80/callback",
        "cursor://*/callback",
        "cursor://user@host/callback",
        "com.raycast:",
        "com.raycast:/",
        "com.raycast:oauth",
        "com.raycast:///oauth",
        "myapp:/callback",
    ],
)
def test_other_uris_may_not_be_registered(uri):
    assert redirects.fault(uri, SCHEMES)


@pytest.mark.parametrize(
    ("registered", "uri"),
    [
        ("https://app.example.com/cb", "https://app.example.com/cb"),
        ("http://localhost/cb", "http://localhost:49152/cb"),
        ("http://localhost:6274/cb", "http://localhost:49152/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"),
        ("http://[::1]:1/cb", "http://[::1]:2/cb"),
    ],
)
def test_a_registered_uri_matches_and_on_this_computer_any_port_does(registered, uri):
    assert redirects.matches(uri, [registered])


@pytest.mark.parametrize(
    ("registered", "uri"),
    [
        ("https://app.example.com/cb", "https://app.example.com/cb/"),
        ("https://app.example.com/cb", "https://app.example.com/CB"),
        ("https://app.example.com/cb", "https://app.example.com/cb?x=1"),
        ("https://app.example.com/cb", "https://app.example.com/cb#x"),
        ("https://app.example.com/cb", "https://app.example.com:8443/cb"),
        ("https://app.example.com/cb", "https://app.example.com:443/cb"),
        ("https://app.example.com/cb", "https://evil@app.example.com/cb"),
        ("https://app.example.com/cb", "http://app.example.com/cb"),
        ("https://app.example.com/cb", "https://app.example.com/cb;evil"),
        ("https://app.example.com/cb", "https://app.example.com/x/../cb"),
        ("https://app.example.com/cb", "https://app.example.com.evil.example/cb"),
        ("http://127.0.0.1:1/cb", "http://localhost:1/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:1/other"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:99999/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:x/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:1@evil.example/cb"),
        ("http://127.0.0.1:1/cb", "http://user@127.0.0.1:1/cb"),
        ("http://127.0.0.1:1/cb", "http://["),
        ("https://localhost:1/cb", "https://localhost:2/cb"),
    ],
)
def test_anything_else_does_not_match(registered, uri):
    assert not redirects.matches(uri, [registered])


def test_this_computer_is_distinguished_from_a_site():
    assert redirects.is_on_this_computer("http://localhost:1/cb")
    assert redirects.is_on_this_computer("cursor://anysphere.cursor-mcp/cb")
    assert not redirects.is_on_this_computer("https://claude.ai/cb")


def test_a_query_is_not_logged():
    assert redirects.without_query("https://a.example/cb?secret=1#x") == "https://a.example/cb"


@pytest.mark.parametrize("scheme", ["cursor", "vscode", "vscode-insiders", "com.raycast", "x+y", "h323"])
def test_a_desktop_application_may_have_a_custom_scheme(scheme):
    assert redirects.scheme_fault(scheme) is None


@pytest.mark.parametrize(
    "scheme",
    ["", "Cursor", "vscode:", "vscode://", "1x", "a b", "ü", "-x", "*", *redirects.FORBIDDEN_SCHEMES],
)
def test_other_schemes_are_not_credentials(scheme):
    assert redirects.scheme_fault(scheme)
