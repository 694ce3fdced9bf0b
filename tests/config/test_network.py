"""What to bind, who may come, names for EHLO, and URLs."""

import ipaddress
import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import network
from relay.config.addresses import address, pattern
from relay.config.network import Bind


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        ("127.0.0.1:2525", [Bind("127.0.0.1", 2525)]),
        ("0.0.0.0:25", [Bind("0.0.0.0", 25)]),
        ("[::1]:2525", [Bind("::1", 2525)]),
        ("[::]:0", [Bind("::", 0)]),
        ("[fe80::1%eth0]:25", [Bind("fe80::1%eth0", 25)]),
        ("[2001:DB8:0::5]:65535", [Bind("2001:db8::5", 65535)]),
        ("localhost:2525", [Bind("127.0.0.1", 2525), Bind("::1", 2525, optional=True)]),
    ],
)
def test_addresses_to_bind(text: str, binds: list[Bind]) -> None:
    assert list(network.bind(text)) == binds


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (":2525", 'write "127.0.0.1:2525" for this machine only, or "0.0.0.0:2525" and "[::]:2525" for every network'),
        ("2525", 'write it like "127.0.0.1:2525"'),
        ("127.0.0.1", 'write it like "127.0.0.1:2525"'),
        ("127.0.0.1:", 'write it like "127.0.0.1:2525"'),
        ("127.0.0.1:65536", "a port is a number from 1 to 65535"),
        ("127.0.0.1:99999999999", "a port is a number from 1 to 65535"),
        ("127.0.0.1:-1", 'write it like "127.0.0.1:2525"'),
        ("127.0.0.1:²", 'write it like "127.0.0.1:2525"'),
        ("::1:2525", 'write "[::1]:2525"'),
        ("[127.0.0.1]:25", 'write "127.0.0.1:25"'),
        ("mail.example.com:25", "names are not looked up"),
        ("300.1.1.1:25", "is not an IP address"),
        ("", "is not an address and a port"),
    ],
)
def test_unusable_addresses_to_bind(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        network.bind(text)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_a_bind_comes_back_as_it_is_shown(host: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    bind = Bind(str(host), port)
    assert network.bind(str(bind)) == (bind,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
    ],
)
def test_networks(text: str, expected: str) -> None:
    assert str(network.network(text)) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.0.2.7/24", 'write "192.0.2.0/24" for all of it, or "192.0.2.7"'),
        ("2001:db8::1/64", 'write "2001:db8::/64" for all of it, or "2001:db8::1"'),
        ("192.0.2.0/33", "is no network"),
        ("office", 'write it like "192.0.2.0/24"'),
        ("", "is no network"),
    ],
)
def test_unusable_networks(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        network.network(text)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["0.0.0.0/0"], True),
        (["::/0"], True),
        (["0.0.0.0/1", "128.0.0.0/1"], True),
        (["128.0.0.0/1"], True),
        (["2000::/3"], True),
        (["::ffff:0:0/96"], True),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], False),
        (["fc00::/7", "fe80::/16", "2001:db8::/32"], False),
        (["203.0.113.0/24"], False),
        ([], False),
    ],
)
def test_networks_that_let_strangers_in(texts: list[str], expected: bool) -> None:
    assert network.is_open([network.network(text) for text in texts]) is expected


@pytest.mark.parametrize(
    "name", ["relay", "relay.example.com", "a-1.example", "xn--bcher-kva.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"]
)
def test_names_for_ehlo(name: str) -> None:
    assert network.ehlo_name(name) == name
    assert network.usable_hostname(name) == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("my_app", "is no domain name"),
        ("-a", "is no domain name"),
        ("a..b", "is no domain name"),
        ("", "is no domain name"),
        ("a b", "is no domain name"),
        ("x" * 64, "is no domain name"),
        ("bücher.example", "write the name in its xn-- form"),
        ("192.0.2.1", 'write "[192.0.2.1]"'),
        ("2001:db8::1", 'write "[IPv6:2001:db8::1]"'),
        ("[relay]", "is no address"),
        ("1.2.3", "is no domain name"),
    ],
)
def test_names_that_ehlo_cannot_use(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        network.ehlo_name(name)
    assert network.usable_hostname(name) == "[127.0.0.1]"


def test_the_machine_has_a_usable_name() -> None:
    assert network.ehlo_name(network.usable_hostname(socket.gethostname()))


@pytest.mark.parametrize("text", ["smtp.example.com", "mail_hub", "192.0.2.1", "::1", "localhost"])
def test_hosts(text: str) -> None:
    assert network.host(text) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("smtp://user:hunter2@example.com", "is a URL"),
        ("smtp.example.com:587", "write port = 587"),
        ("user:hunter2@example.com", "is no host name"),
        ("bücher.example", "is no host name"),
        ("a b", "is no host name"),
    ],
)
def test_unusable_hosts(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint) as caught:
        network.host(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("http://login.example.com/token", "would cross the network readable"),
        ("http://127.0.0.1:8080/token", "on this machine any program that takes the port would get them"),
        ("login.example.com/token", "is not an https URL"),
        ("https:///token", "is not an https URL"),
        ("https://user:hunter2@login.example.com/token", "holds a user name"),
        ("https://login.example.com/token#hunter2", "holds a user name or a fragment"),
        ("https://login.example.com:port/hunter2", "is not a URL"),
        ("https://[::1/hunter2", "is not a URL"),
        ("https://login.example.com/to ken", "encode them with %"),
        ("ftp://login.example.com/hunter2", "is not an https URL"),
    ],
)
def test_unusable_endpoints(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint) as caught:
        network.https_url(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://proxy:3128", "https://user:pa%40ss@proxy.example.com:8443/"])
def test_proxies(text: str) -> None:
    assert network.proxy_url(text) == text


@pytest.mark.parametrize(
    "text", ["proxy:3128", "socks5://proxy:1080", "http://", "http://p:hunter2", "http://p:1/path"]
)
def test_unusable_proxies(text: str) -> None:
    with pytest.raises(ValueError, match="is no proxy address: write it like http://proxy") as caught:
        network.proxy_url(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a@b",
        "noreply@example.com",
        "o'neil+tag@sub.example.com",
        '"a b"@example.com',
        "jürgen@bücher.example",
        "a@[192.0.2.1]",
    ],
)
def test_mail_addresses(text: str) -> None:
    assert address(text) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("noreply", "is no mail address"),
        ("@example.com", "is no mail address"),
        ("a@", "is no domain name"),
        ("a@b@example.com", "what stands before the @"),
        ("Name <a@example.com>", "what stands before the @"),
        ("a@exa mple.com", "is no domain name"),
        ("a@example..com", "is no domain name"),
        ("a@[relay]", "is no address"),
        ("x" * 65 + "@example.com", "what stands before the @"),
        ("a@ü..example", "is no domain name"),
        ("sender", "is no mail address"),
    ],
)
def test_unusable_mail_addresses(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        address(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", "*"),
        ("@example.com", "@example.com"),
        ("*@example.com", "@example.com"),
        ("Jo@Example.com", "Jo@Example.com"),
    ],
)
def test_patterns(text: str, expected: str) -> None:
    assert pattern(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("example.com", 'write "user@example.com", or "@example.com"'),
        ("a*@example.com", "* stands alone or for a whole domain"),
        ("*.example.com", "* stands alone"),
        ("*@", "is no domain name"),
        ("**@example.com", "* stands alone"),
    ],
)
def test_unusable_patterns(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        pattern(text)
