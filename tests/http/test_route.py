"""Which requests go through a proxy."""

import pytest

from relay.http.route import proxy_for

PROXY = "http://proxy.corp:3128"


def route(url: tuple[str, str, int], configured: str | None, exceptions: str = "", **system: str) -> str | None:
    split = [entry for entry in exceptions.split() if entry]
    return proxy_for(*url, configured=configured, exceptions=split, system=system)


LOGIN = ("https", "login.example.com", 443)
PLAIN = ("http", "login.example.com", 80)


def test_nothing_configured_is_the_direct_way() -> None:
    assert route(LOGIN, None) is None


def test_the_configured_proxy_replaces_the_environment() -> None:
    assert route(LOGIN, PROXY) == PROXY
    assert route(PLAIN, PROXY) == PROXY
    assert route(LOGIN, PROXY, https="http://other:1", no="login.example.com") == PROXY


def test_the_environment_by_scheme() -> None:
    assert route(LOGIN, None, https="http://a:1", http="http://b:2") == "http://a:1"
    assert route(PLAIN, None, https="http://a:1", http="http://b:2") == "http://b:2"
    assert route(LOGIN, None, all="http://c:3") == "http://c:3"
    assert route(LOGIN, None, http="http://b:2") is None
    assert route(LOGIN, None, https="http://a:1", no="x, example.com") is None


def test_both_lists_of_exceptions_count_for_the_environments_proxy() -> None:
    assert route(LOGIN, None, "login.example.com", https="http://a:1", no="else.test") is None


def test_a_proxy_without_a_scheme() -> None:
    assert route(LOGIN, "proxy.corp:3128") == "http://proxy.corp:3128"


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1", "fe80::1%eth0"]
)
def test_what_stays_here_never_goes_through_a_proxy(host: str) -> None:
    assert route(("http", host, 80), PROXY, http=PROXY) is None


@pytest.mark.parametrize(
    ("host", "entry", "excepted"),
    [
        ("login.example.com", "*", True),
        ("login.example.com", "example.com", True),
        ("login.example.com", ".example.com", True),
        ("login.example.com", "*.example.com", True),
        ("login.example.com", "login.example.com", True),
        ("login.example.com", "LOGIN.Example.COM", True),
        ("login.example.com", "login.example.com:443", True),
        ("login.example.com", "login.example.com:8443", False),
        ("login.example.com", "ogin.example.com", False),
        ("login.example.com", "example", False),
        ("login.example.com", "com:x", False),
        ("notexample.com", "example.com", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("10.1.2.3", "10.1.2.3:80", False),
        ("10.1.2.3", "11.0.0.0/8", False),
        ("10.1.2.3", ".3", False),
        ("10.1.2.3", "10.0.0.0/99", False),
        ("2001:db8::5", "2001:db8::/32", True),
        ("2001:db8::5", "[2001:db8::5]", True),
        ("2001:db8::5", "[2001:db8::5]:443", True),
        ("2001:db8::5", "2001:db8::5", True),
        ("2001:db8::5", "[2001:db8::5]:80", False),
        ("2001:db8::5", "10.0.0.0/8", False),
        ("login.example.com", "10.0.0.0/8", False),
        ("login.example.com", "", False),
        ("login.example.com", ".", False),
        ("login.example.com", ":", False),
        ("login.example.com", "[", False),
    ],
)
def test_exceptions(host: str, entry: str, excepted: bool) -> None:
    assert (proxy_for("https", host, 443, configured=PROXY, exceptions=[entry], system={}) is None) == excepted
