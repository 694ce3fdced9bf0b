"""What a busy machine does to TLS: octets that wait before the relay looks, cut where nobody would cut them.

The relay is stopped (SIGSTOP) while a client speaks, so that what it finds on waking is exactly what the test has sent.
"""

import contextlib
import itertools
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
import trustme

from tests.support.certificates import server_files
from tests.support.process import PATIENCE, RelayProcess, relay

PROXY_V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 25\r\n"
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((192, 0, 2, 7, 192, 0, 2, 1)) + b"\xc3\x50\0\x19"


class House:
    """A relay with a door of each kind, which can be made to sleep."""

    def __init__(self, process: RelayProcess, ports: dict[str, int], context: ssl.SSLContext) -> None:
        self.process = process
        self.ports = ports
        self.context = context

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("segments")
    files = server_files(folder)
    people = trustme.CA()
    people.cert_pem.write_to_path(folder / "people.pem")
    pem = f'{files.toml}client_ca = "{folder}/people.pem"\n'
    doors = {
        "implicit": 'tls = "implicit"',
        "auto": 'tls = "auto"',
        "starttls": 'tls = "starttls"',
        "proxied": 'tls = "implicit"\nproxy_protocol = ["127.0.0.1"]',
        "proxied_auto": 'tls = "auto"\nproxy_protocol = ["127.0.0.1"]',
        "proxied_starttls": 'tls = "starttls"\nproxy_protocol = ["127.0.0.1"]',
    }
    tables = "".join(f'[listeners.{name}]\nbind = ["127.0.0.1:0"]\n{pem}{keys}\n' for name, keys in doors.items())
    path = folder / "relay.toml"
    path.write_text(
        f'[log]\nformat = "json"\n[web]\nbind = []\n[accounts.sink]\nprovider = "sink"\n{tables}'
        '[clients.badge]\ncertificate_subject = "badge.example.com"\nsenders = ["*"]\n'
        '[clients.anyone]\nnetworks = ["127.0.0.0/8", "192.0.2.0/24"]\nsenders = ["*"]\n'
    )
    context = ssl.create_default_context(cafile=str(files.authority.file))
    people.issue_cert("badge.example.com").configure_cert(context)
    with relay(folder, "serve", "--config", str(path)) as process:
        process.wait_for("started")
        listening = [event for event in process.events if event["event"] == "listening"]
        ports = {event["listener"]: int(event["places"][0].rpartition(":")[2]) for event in listening}
        yield House(process, ports, context)


class Client:
    """A socket and TLS beside each other, so that a test decides which octets go out together."""

    def __init__(self, house: House, door: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = house.context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.socket = socket.create_connection(("127.0.0.1", house.ports[door]), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outgoing.read()

    def send(self, *segments: bytes) -> None:
        """Each segment in a packet of its own."""
        for segment in segments:
            self.socket.sendall(segment)
            time.sleep(0.005)  # that one is not put together with the next; the outcome is the same either way

    def plain_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            octet = self.socket.recv(1)
            assert octet, line
            line += octet
        return line

    def reply(self) -> bytes:
        """One reply in the clear, however many lines it has."""
        lines = [self.plain_line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.plain_line())
        return b"".join(lines)

    def shake_hands(self, behind: bytes = b"") -> None:
        """Go on from the hello; `behind` goes out inside TLS, in one packet with the end of the handshake."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
        if behind:
            self._tls.write(behind)
        self._flush()

    def say(self, octets: bytes) -> None:
        self._tls.write(octets)
        self._flush()

    def hear(self, ending: bytes) -> bytes:
        """What comes inside TLS, up to `ending`."""
        heard = b""
        while not heard.endswith(ending):
            try:
                heard += self._tls.read()
            except ssl.SSLWantReadError:
                self._feed()
        return heard

    def _feed(self) -> None:
        data = self.socket.recv(65536)
        assert data, "the relay closed the connection"
        self._incoming.write(data)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.socket.sendall(self._outgoing.read())


def whole(hello: bytes) -> list[bytes]:
    return [hello]


def in_two(hello: bytes) -> list[bytes]:
    return [hello[:100], hello[100:]]


def octet_first(hello: bytes) -> list[bytes]:
    return [hello[:1], hello[1:5], hello[5:]]


CUTS: list[Callable[[bytes], list[bytes]]] = [whole, in_two, octet_first]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("door", ["implicit", "auto"])
def test_a_hello_that_waits(house: House, door: str, cut: Callable[[bytes], list[bytes]]) -> None:
    with house.asleep():
        client = Client(house, door)
        client.send(*cut(client.hello()))
    with client:
        client.shake_hands()
        assert client.hear(b"\r\n").startswith(b"220 ")


@pytest.mark.parametrize("door", ["implicit", "auto"])
def test_a_hello_whose_rest_comes_while_the_relay_sleeps(house: House, door: str) -> None:
    client = Client(house, door)
    with client:
        first, rest = in_two(client.hello())
        client.send(first)
        with house.asleep():
            client.send(rest)
        client.shake_hands()
        assert client.hear(b"\r\n").startswith(b"220 ")


@pytest.mark.parametrize("door", ["implicit", "auto"])
def test_a_client_that_speaks_before_it_is_greeted(house: House, door: str) -> None:
    with Client(house, door) as client:
        client.send(client.hello())
        client.shake_hands(behind=b"EHLO early\r\nNOOP\r\n")
        heard = client.hear(b"250 2.0.0 OK\r\n")
        assert heard.startswith(b"220 ")
        assert heard.count(b"ENHANCEDSTATUSCODES") == 1


@pytest.mark.parametrize("header", [PROXY_V1, PROXY_V2], ids=["v1", "v2"])
@pytest.mark.parametrize("door", ["proxied", "proxied_auto"])
@pytest.mark.parametrize("asleep", [True, False], ids=["asleep", "awake"])
@pytest.mark.parametrize("pieces", [1, 2, 3, 5])
def test_a_proxy_header_and_a_hello(house: House, door: str, header: bytes, pieces: int, asleep: bool) -> None:
    with house.asleep() if asleep else contextlib.nullcontext():
        client = Client(house, door)
        hello = client.hello()
        both, cut = header + hello, len(header)
        cuts = {1: [], 2: [cut], 3: [cut - 5, cut + 70], 5: [1, 13, cut, cut + 1]}[pieces]
        edges = [0, *cuts, len(both)]
        client.send(*(both[start:end] for start, end in itertools.pairwise(edges)))
    with client:
        client.shake_hands()
        assert client.hear(b"\r\n").startswith(b"220 ")


@pytest.mark.parametrize("header", [PROXY_V1, PROXY_V2], ids=["v1", "v2"])
def test_a_proxy_header_and_commands(house: House, header: bytes) -> None:
    with house.asleep():
        client = Client(house, "proxied_starttls")
        client.send(header + b"EHLO eager\r\nNOOP\r\n")
    with client:
        assert client.reply().startswith(b"220 ")
        assert b"STARTTLS" in client.reply()
        assert client.reply() == b"250 2.0.0 OK\r\n"


@pytest.mark.parametrize("door", ["starttls", "auto", "proxied_starttls"])
@pytest.mark.parametrize("asleep", [True, False], ids=["asleep", "awake"])
def test_what_comes_in_the_clear_behind_starttls_is_thrown_away(house: House, door: str, asleep: bool) -> None:
    with Client(house, door) as client:
        if door.startswith("proxied"):
            client.send(PROXY_V1)
        assert client.reply().startswith(b"220 ")
        client.send(b"EHLO c\r\n")
        client.reply()
        with house.asleep() if asleep else contextlib.nullcontext():
            client.send(b"STARTTLS\r\nRSET\r\nVRFY x\r\n")
        assert client.reply().startswith(b"220 2.0.0")
        client.send(client.hello())
        client.shake_hands(behind=b"NOOP\r\n")
        assert client.hear(b"\r\n") == b"250 2.0.0 OK\r\n"
        client.say(b"EHLO again\r\n")
        assert b"STARTTLS" not in client.hear(b"250 ENHANCEDSTATUSCODES\r\n")


@pytest.mark.parametrize("cut", CUTS)
def test_a_hello_after_starttls_that_waits(house: House, cut: Callable[[bytes], list[bytes]]) -> None:
    with Client(house, "starttls") as client:
        assert client.reply().startswith(b"220 ")
        client.send(b"EHLO c\r\nSTARTTLS\r\n")
        client.reply()
        assert client.reply().startswith(b"220 2.0.0")
        with house.asleep():
            client.send(*cut(client.hello()))
        client.shake_hands()
        client.say(b"NOOP\r\n")
        assert client.hear(b"\r\n") == b"250 2.0.0 OK\r\n"


def test_much_that_comes_with_the_end_of_the_handshake(house: House) -> None:
    """More than is read ahead, before anything was answered: it is all obeyed, and nothing hangs."""
    with Client(house, "starttls") as client:
        assert client.reply().startswith(b"220 ")
        client.send(b"EHLO c\r\nSTARTTLS\r\n")
        client.reply()
        assert client.reply().startswith(b"220 2.0.0")
        client.send(client.hello())
        lines = 14_000
        client.shake_hands(behind=b"NOOP\r\n" * lines + b"HELP\r\n")
        assert client.hear(b"smtp-oauth-relay\r\n").count(b"250 2.0.0 OK\r\n") == lines


@pytest.mark.parametrize("door", ["implicit", "auto", "proxied"])
def test_a_certificate_of_a_client_whose_hello_waited(house: House, door: str) -> None:
    seen = sum(event["event"] == "certificate" for event in house.process.events)
    with house.asleep():
        client = Client(house, door)
        client.send((PROXY_V2 if door == "proxied" else b"") + client.hello())
    with client:
        client.shake_hands()
        assert client.hear(b"\r\n").startswith(b"220 ")
        assert house.process.wait_for("certificate", seen + 1)["client"] == "badge"


def test_a_client_of_auto_that_speaks_plainly_while_the_relay_sleeps(house: House) -> None:
    with house.asleep():
        client = Client(house, "auto")
        client.send(b"EHLO plain\r\n", b"NOOP\r\n")
    with client:
        assert client.reply().startswith(b"220 ")
        assert b"STARTTLS" in client.reply()
        assert client.reply() == b"250 2.0.0 OK\r\n"


def test_all_of_it_is_still_served_afterwards(house: House, tmp_path: Path) -> None:
    for door in ("implicit", "auto"):
        with Client(house, door) as client:
            client.send(client.hello())
            client.shake_hands()
            assert client.hear(b"\r\n").startswith(b"220 ")
