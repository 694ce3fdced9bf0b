"""Hostile and broken clients against the relay as a process: it answers or closes, goes on serving, and stays small."""

import contextlib
import random
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import certificates
from tests.support.process import RelayProcess, relay

CONFIGURATION = """
hostname = "relay.test"
[listeners.plain]
bind = ["127.0.0.1:0"]
max_connections = 2000
max_connections_per_client = 2000
timeout = "5s"
tls = "starttls"
certificate = "{certificate}"
key = "{key}"
require_tls = false
[listeners.old]
bind = ["127.0.0.1:0"]
profile = "legacy"
timeout = "8s"
[clients.near]
networks = ["127.0.0.0/8"]
account = "nowhere"
senders = ["*"]
[clients.printer]
password = "secret"
account = "nowhere"
senders = ["*"]
[accounts.nowhere]
provider = "discard"
[web]
bind = []
[log]
format = "json"
"""
MIB = 1024 * 1024
MOST_GROWTH = 48 * MIB
"""Octets by which the process may grow under any one attack, the allocator's reserves included."""
GOOD = b"From: a@x.org\r\nSubject: good\r\n\r\nx\r\n.\r\n"


class Victim:
    """The relay, and how large it is."""

    def __init__(self, process: RelayProcess) -> None:
        self.process = process
        self.port = process.port
        old = process.wait_for("listening", listener="old")["places"][0]
        self.old_port = int(old.rpartition(":")[2])
        self.check()
        self.before = self.size()

    def size(self) -> int:
        """Octets in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024

    def connect(self, port: int = 0) -> socket.socket:
        """A connection that has been greeted."""
        sock = socket.create_connection(("127.0.0.1", port or self.port), timeout=15)
        assert sock.recv(4096).startswith(b"220 ")
        return sock

    def check(self) -> None:
        """Another client is served while all that goes on."""
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="c", timeout=15) as client:
            client.sendmail("a@x.org", ["b@x.org"], GOOD[:-3])


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("torture")
    made = certificates.server_files(folder)
    (folder / "relay.toml").write_text(CONFIGURATION.format(certificate=made.certificate, key=made.key))
    with relay(folder, "serve", "--only", "listener,delivery", "--config", "relay.toml") as process:
        yield Victim(process)
        assert not [each for each in process.events if each.get("event") == "internal error"], process.output[-5000:]


@pytest.fixture(autouse=True)
def it_goes_on(victim: Victim) -> Iterator[None]:
    yield
    victim.check()
    deadline = time.monotonic() + 20
    while victim.size() - victim.before > MOST_GROWTH and time.monotonic() < deadline:
        time.sleep(0.1)  # checks of passwords that are under way have 64 MiB each
    assert victim.size() - victim.before < MOST_GROWTH


def heard(sock: socket.socket, most: int = 64 * MIB) -> bytes:
    """Everything up to the end of the connection, which has to come."""
    got = bytearray()
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        while data := sock.recv(65536):
            got += data
            assert len(got) < most
    return bytes(got)


def say(sock: socket.socket, data: bytes) -> None:
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        sock.sendall(data)


def begin(sock: socket.socket) -> None:
    """Up to the 354."""
    sock.sendall(b"HELO c\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n")
    got = b""
    while b"\r\n354 " not in got:
        got += sock.recv(4096)


def queued(victim: Victim) -> int:
    return sum(each.get("event") == "queued" for each in victim.process.events)


ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\n.\r",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\r\n.\r\r\n",
]
EVIL = b"MAIL FROM:<evil@x.org>\r\nRCPT TO:<evil@x.org>\r\nDATA\r\nSubject: evil\r\n\r\n"


@pytest.mark.parametrize("old", [False, True], ids=["standard", "legacy"])
@pytest.mark.parametrize("end", ENDS)
def test_smuggling(victim: Victim, end: bytes, old: bool) -> None:
    """At most one message, whatever stands for its end, and nothing hidden in it is obeyed."""
    with victim.connect(victim.old_port if old else 0) as sock:
        begin(sock)
        say(sock, b"From: a@x.org\r\n\r\nx" + end + EVIL + b"\r\n.\r\nQUIT\r\n")
        answer = heard(sock)
        assert answer.count(b"\r\n") == 2, answer
        assert answer.startswith((b"250 ", b"554 "))
        assert answer.count(b"221 ") == 1


def test_commands_behind_starttls(victim: Victim) -> None:
    with victim.connect() as sock:
        say(sock, b"EHLO c\r\nSTARTTLS\r\nMAIL FROM:<evil@x.org>\r\n")
        got = b""
        while b"220 2.0.0" not in got:
            got += sock.recv(4096)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(sock) as secure:
            secure.sendall(b"RCPT TO:<b@x.org>\r\nQUIT\r\n")
            answer = secure.recv(4096) + secure.recv(4096)
            assert answer.startswith(b"503 5.5.1")


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"EHLO ",
        b"EHLO c\r\nAUTH PLAIN ",
        b"EHLO c\r\nAUTH LOGIN\r\n",
        b"HELO c\r\nMAIL FROM:<",
        b"\x16\x03\x01\xff\xff",
    ],
    ids=["nothing", "EHLO", "AUTH", "an AUTH dialogue", "MAIL", "TLS"],
)
def test_a_line_without_end(victim: Victim, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", victim.port), timeout=15) as sock:
        say(sock, start)
        for _ in range(16):
            say(sock, b"A" * MIB)
        assert victim.size() - victim.before < MOST_GROWTH
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        heard(sock)


@pytest.mark.parametrize("part", [b"X-Y: " + b"z" * 70 + b"\r\n", b"no field at all ", b" \r\n", b"a:\r\n"])
def test_a_header_block_without_end(victim: Victim, part: bytes) -> None:
    with victim.connect() as sock:
        begin(sock)
        for _ in range(8):
            say(sock, part * (MIB // len(part)))
        say(sock, b"\r\n.\r\nQUIT\r\n")
        assert heard(sock).startswith((b"552 5.3.4", b"554 "))


def test_a_body_without_end(victim: Victim) -> None:
    with victim.connect() as sock:
        begin(sock)
        say(sock, b"From: a@x.org\r\n\r\n")
        for _ in range(60):
            say(sock, (b"." * 1000 + b"\r\n") * 1000)
        assert victim.size() - victim.before < MOST_GROWTH
        say(sock, b"\r\n.\r\nQUIT\r\n")
        assert heard(sock).startswith(b"552 5.3.4")


def test_a_hundred_thousand_recipients(victim: Victim) -> None:
    with victim.connect() as sock:
        say(sock, b"HELO c\r\nMAIL FROM:<a@x.org>\r\n")
        answer = bytearray()
        lines = -2
        for start in range(0, 100_000, 1000):
            say(sock, b"".join(b"RCPT TO:<u%d@x.org>\r\n" % number for number in range(start, start + 1000)))
            while lines < start + 1000:
                part = sock.recv(65536)
                lines += part.count(b"\n")
                answer += part
        say(sock, b"QUIT\r\n")
        assert answer.count(b"250 2.1.5 ") == 1000
        assert answer.count(b"452 4.5.3 ") == 99_000
        heard(sock)


def test_who_never_reads(victim: Victim) -> None:
    """Replies pile up nowhere: nothing more is read from a client that does not read."""
    socks = []
    for _ in range(20):
        sock = victim.connect()
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(64):
                sock.send(b"NOOP\r\nHELP\r\n" * 20_000)
        socks.append(sock)
    assert victim.size() - victim.before < MOST_GROWTH
    victim.check()
    for sock in socks:
        sock.close()


def test_who_says_nothing_or_hardly_anything(victim: Victim) -> None:
    silent = [victim.connect() for _ in range(30)]
    slow = [victim.connect() for _ in range(30)]
    for octet in b"EHLO c\r\nMAIL":
        for sock in slow:
            say(sock, bytes([octet]))
    victim.check()
    for sock in (*silent, *slow):
        assert b"421 4.4.2" in heard(sock)
        sock.close()


def test_a_flood_of_logins(victim: Victim) -> None:
    """Addresses are barred after their failures; guesses cost one check at a time."""
    socks = [victim.connect() for _ in range(40)]
    for sock in socks:
        say(sock, b"EHLO c\r\n" + b"AUTH PLAIN AHByaW50ZXIAd3Jvbmc=\r\n" * 500)
    victim.check()
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("seed", range(3))
def test_pipelined_garbage(victim: Victim, seed: int) -> None:
    random_octets = random.Random(seed).randbytes(2 * MIB)
    with victim.connect() as sock:
        say(sock, random_octets)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        heard(sock)


WORDS = st.sampled_from(
    [
        *(b"EHLO c\r\n", b"HELO\n", b"MAIL FROM:<a@x.org>\r\n", b"RCPT TO:<b@x.org>\r\n", b"DATA\r\n", b"\r\n.\r\n"),
        *(b"AUTH LOGIN\r\n", b"AUTH CRAM-MD5\r\n", b"STARTTLS\r\n", b"RSET\r\n", b"QUIT\r\n", b"NOOP\n", b"BDAT 5\r\n"),
        *(b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b"\n.\n", b"\r", b"\0", b"*\r\n"),
        *(b"From: a@x.org\r\n\r\n", b"x" * 5000, b"\xff\xfe", b"=\r\n", b"MAIL FROM:<@a:b@c> SIZE=-1 AUTH=<>\r\n"),
    ]
)


TLS_ALERT = b"\x15\x03"
"""What is said last where TLS was expected (RFC 8446 5.1)."""


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(WORDS | st.binary(max_size=40), max_size=25), st.booleans())
def test_anything_is_answered_or_ended(victim: Victim, said: list[bytes], old: bool) -> None:
    with socket.create_connection(("127.0.0.1", victim.old_port if old else victim.port), timeout=15) as sock:
        for data in said:
            say(sock, data)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        replies = heard(sock)
        for line in replies.partition(TLS_ALERT)[0].splitlines():
            assert re.match(rb"[2-5][0-9][0-9][ -]", line), replies


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_five_hundred_idle_connections_cost_little(victim: Victim, tls: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def connected() -> socket.socket:
        sock = victim.connect()
        if not tls:
            return sock
        say(sock, b"STARTTLS\r\n")
        assert sock.recv(4096).startswith(b"220 ")
        return context.wrap_socket(sock)

    socks = [connected() for _ in range(5)]
    before = victim.size()
    more = [connected() for _ in range(500)]
    for sock in more:
        say(sock, b"EHLO c\r\n")
        assert sock.recv(4096)
    each = (victim.size() - before) / len(more)
    for sock in (*socks, *more):
        sock.close()
    assert each < 30 * 1024, f"{each / 1024:.1f} KiB for each"
