"""Who a session is: never anybody by accident."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Secret
from tests.support.clients import client, policy

PASSWORD = Secret("geheim")


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("192.0.2.7", "wide"),
        ("192.0.2.65", "narrow"),
        ("192.0.2.66", "one"),
        ("::ffff:192.0.2.66", "one"),
        ("2001:db8::1", "six"),
        ("fe80::1%eth0", "link"),
        ("198.51.100.1", None),
        ("2001:db9::1", None),
        ("::1", None),
        ("127.0.0.1", None),
        ("", None),
        ("unknown", None),
        ("192.0.2.7:25", None),
    ],
)
def test_the_longest_prefix_wins(peer: str, name: str | None) -> None:
    made = policy(
        {
            "wide": client(networks=["192.0.2.0/24"]),
            "narrow": client(networks=["192.0.2.64/26"]),
            "one": client(networks=["203.0.113.0/24", "192.0.2.66"]),
            "six": client(networks=["2001:db8::/32"]),
            "link": client(networks=["fe80::/10"]),
        }
    )
    found = made.recognise_address("default", peer)
    assert (found.name if found else None) == name


def test_everything_is_a_network_too() -> None:
    made = policy({"all": client(networks=["0.0.0.0/0", "::/0"])})
    for peer in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"):
        found = made.recognise_address("default", peer)
        assert found is not None
        assert found.name == "all"


def test_a_client_belongs_to_its_listeners() -> None:
    made = policy(
        {
            "here": client(networks=["192.0.2.0/24"]),
            "there": client(networks=["192.0.2.0/24"], listeners=("other",)),
            "login": client(password=PASSWORD, listeners=("other",)),
        }
    )
    here, there = made.recognise_address("default", "192.0.2.1"), made.recognise_address("other", "192.0.2.1")
    assert here is not None
    assert there is not None
    assert (here.name, there.name) == ("here", "there")
    assert made.client_for_login("default", "login", "192.0.2.1") is None
    assert made.client_for_login("other", "login", "192.0.2.1") is made.client_by_name("login")
    assert (made.offers_login("default"), made.offers_login("other")) == (False, True)


def test_equal_prefixes_are_an_error() -> None:
    clients = {"one": client(networks=["192.0.2.0/24"]), "two": client(networks=["192.0.2.0/24"])}
    with pytest.raises(ValueError, match=r"clients.two.networks and clients.one.networks both hold 192.0.2.0/24"):
        policy(clients)


@pytest.mark.parametrize(
    ("login", "peer", "name"),
    [
        ("scanner", "198.51.100.1", "scanner"),
        ("Scanner", "198.51.100.1", None),
        ("erp@example.com", "192.0.2.1", "erp"),
        ("erp@example.com", "::ffff:192.0.2.1", "erp"),
        ("erp@example.com", "198.51.100.1", None),
        ("erp@example.com", "", None),
        ("erp", "192.0.2.1", None),
        ("open", "192.0.2.1", None),
        ("", "192.0.2.1", None),
    ],
)
def test_logins(login: str, peer: str, name: str | None) -> None:
    made = policy(
        {
            "scanner": client(password=PASSWORD),
            "erp": client(login="erp@example.com", password_hash=PASSWORD, networks=["192.0.2.0/24"]),
            "open": client(networks=["203.0.113.0/24"]),
        }
    )
    found = made.client_for_login("default", login, peer)
    assert (found.name if found else None) == name


def test_a_client_with_a_login_is_not_recognised_by_its_network() -> None:
    made = policy({"erp": client(password=PASSWORD, networks=["192.0.2.0/24"])})
    assert made.recognise_address("default", "192.0.2.1") is None


def test_a_name_is_no_login() -> None:
    """Without a password there is no login, whatever `login` says."""
    made = policy({"erp": client(login="erp", networks=["192.0.2.0/24"])})
    assert made.client_for_login("default", "erp", "192.0.2.1") is None
    assert not made.offers_login("default")


@pytest.mark.parametrize(("peer", "known"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False)])
@pytest.mark.parametrize("login", ["anyone", ""])
def test_any_login_is_for_its_networks_only(login: str, peer: str, known: bool) -> None:
    made = policy({"local": client(any_login=True, networks=["127.0.0.0/8", "::1"])})
    assert (made.client_for_login("default", login, peer) is not None) is known
    assert (made.recognise_address("default", peer) is not None) is known
    assert made.offers_login("default")


def test_nobody_is_recognised_without_clients() -> None:
    made = policy({})
    assert made.recognise_address("default", "127.0.0.1") is None
    assert made.client_for_login("default", "x", "127.0.0.1") is None
    assert made.client_by_name("x") is None


def test_what_a_client_knows() -> None:
    made = policy({"a": client(max_age=60.0, reply="delivered", password=PASSWORD), "b": client()})
    known, other = made.client_by_name("a"), made.client_by_name("b")
    assert known is not None
    assert other is not None
    assert (known.max_age, known.reply, known.reply_timeout) == (60.0, "delivered", 25.0)
    assert other.max_age == 5 * 86400
    assert "geheim" not in repr(known)


networks = st.tuples(st.integers(0, 255), st.integers(0, 32)).map(
    lambda pair: ip_network((f"10.0.0.{pair[0]}", pair[1]), strict=False)
)


@given(st.sets(networks, max_size=8), st.integers(0, 255))
def test_a_stranger_is_in_no_network(given_networks: set[object], last: int) -> None:
    made = policy({f"n{index}": client(networks=[net]) for index, net in enumerate(sorted(given_networks, key=str))})
    address = ip_address(f"10.0.0.{last}")
    holding = [network for network in given_networks if address in network]  # type: ignore[operator]
    found = made.recognise_address("default", str(address))
    assert (found is None) == (not holding)
    if found is not None:
        assert found.networks == (max(holding, key=lambda network: network.prefixlen),)  # type: ignore[attr-defined]
