"""A TLS hello that is there before the relay has looked at its connection, as a busy machine brings it about."""

import os
import signal
import socket
import ssl

import pytest

from tests.clients.conftest import House
from tests.support.process import PATIENCE


def hello_of(tls: ssl.SSLObject, outgoing: ssl.MemoryBIO) -> bytes:
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_a_hello_that_comes_with_the_connection_is_answered(house: House) -> None:
    door = house.doors["implicit"]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context(cafile=str(door.ca_file)).wrap_bio(incoming, outgoing, server_hostname="localhost")
    os.kill(house.process.pid, signal.SIGSTOP)
    try:
        client = socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE)
        client.sendall(hello_of(tls, outgoing))
    finally:
        os.kill(house.process.pid, signal.SIGCONT)
    with client:
        answer = client.recv(65536)
    incoming.write(answer)
    assert answer
    with pytest.raises(ssl.SSLWantReadError):
        tls.read()  # the handshake is done, and what follows it is not there yet
    assert tls.version() == "TLSv1.3"
