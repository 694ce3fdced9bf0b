"""The PROXY protocol's two headers, whole, in pieces and damaged."""

import ipaddress
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.listener.proxy_header import SIGNATURE_2, BadProxyHeaderError, ProxyHeader, parse


def two(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE_2 + struct.pack("!BBH", command, family, len(block)) + block


IPV4 = bytes([172, 18, 0, 1, 172, 18, 0, 8]) + struct.pack("!HH", 56310, 25)
IPV6 = ipaddress.ip_address("2001:db8::1").packed + ipaddress.ip_address("::1").packed + struct.pack("!HH", 1, 25)


@pytest.mark.parametrize(
    ("data", "address", "port"),
    [
        pytest.param(b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n", "192.0.2.7", 56324, id="1, IPv4"),
        pytest.param(b"PROXY TCP6 2001:db8::7 ::1 1 65535\r\n", "2001:db8::7", 1, id="1, IPv6"),
        pytest.param(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7", 1, id="1, IPv4 as IPv6"),
        pytest.param(b"PROXY UNKNOWN\r\n", "", 0, id="1, unknown"),
        pytest.param(b"PROXY UNKNOWN ffff:f 1 2 3\r\n", "", 0, id="1, unknown with more"),
        pytest.param(two(0x21, 0x11, IPV4), "172.18.0.1", 56310, id="2, IPv4"),
        pytest.param(two(0x21, 0x11, IPV4 + b"\x03\x00\x04abcd"), "172.18.0.1", 56310, id="2, with a TLV"),
        pytest.param(two(0x21, 0x21, IPV6), "2001:db8::1", 1, id="2, IPv6"),
        pytest.param(two(0x20, 0x00, b""), "", 0, id="2, a health check"),
        pytest.param(two(0x21, 0x00, b""), "", 0, id="2, unspecified"),
    ],
)
def test_headers_however_they_are_cut(data: bytes, address: str, port: int) -> None:
    for length in range(1, len(data)):
        assert parse(data[:length]) is None
    assert parse(data) == ProxyHeader(address, port, b"")
    assert parse(data + b"EHLO x\r\n") == ProxyHeader(address, port, b"EHLO x\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO x\r\n",
        b"\x16\x03\x01",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        b"PROXY TCP4 999.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE_2 + b"\x11\x11\x00\x00",
        SIGNATURE_2 + b"\x22\x11\x00\x00",
        two(0x21, 0x11, IPV4[:-1]),
        two(0x21, 0x12, IPV4),
        SIGNATURE_2 + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadProxyHeaderError):
        parse(data)


@settings(deadline=None)
@given(st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE_2, SIGNATURE_2 + b"\x21"]), st.binary(max_size=300))
def test_anything_is_a_header_or_refused_or_not_whole(start: bytes, data: bytes) -> None:
    try:
        found = parse(start + data)
    except BadProxyHeaderError:
        return
    if found is None:
        assert len(start + data) < 16 + 4096
        return
    assert (start + data).endswith(found.rest)
    assert not found.address or ipaddress.ip_address(found.address).version in (4, 6)
