"""The exchanges of AUTH, one for each mechanism: prompts out, the client's lines in, at the end what it proved.

PLAIN (RFC 4616), LOGIN (never a standard), CRAM-MD5 (RFC 2195), XOAUTH2 (Google's and Microsoft's) and OAUTHBEARER
(RFC 7628).
"""

import base64
import binascii
import json
import secrets
from collections.abc import Generator
from typing import NamedTuple

from relay.listener.wire import LONGEST_AUTH_LINE


class Proof(NamedTuple):
    """What a client said of itself: a login with a password or token, or with the answer to `challenge`."""

    login: str
    password: bytes
    challenge: bytes = b""
    bearer: str = ""
    """The password is an access token, shown by this mechanism."""


Dialogue = Generator[str, bytes, Proof]
"""An exchange: gives the prompts, takes the client's lines, ends in a proof."""


class Refused(Exception):  # noqa: N818 (carries a reply)
    """The exchange ends with this reply."""


def dialogue(argument: str, offered: tuple[str, ...], hostname: str) -> Dialogue:
    """One AUTH exchange, from the command's argument on. Raises Refused."""
    mechanism, _, initial = argument.partition(" ")
    mechanism, initial = mechanism.upper(), initial.strip()
    exchange = _EXCHANGES.get(mechanism)
    if exchange is None or mechanism not in offered:
        raise Refused(f"504 5.5.4 Only {' and '.join(f'AUTH {name}' for name in offered)} are offered")
    return (yield from exchange(initial, hostname))


def _plain(initial: str, _hostname: str) -> Dialogue:
    message = _decode(initial) if initial else (yield from _ask(b""))
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise Refused("501 5.5.2 PLAIN needs authorisation identity, login and password, with NULs between")
    return Proof(_text(parts[1]), parts[2])


def _login(initial: str, _hostname: str) -> Dialogue:
    # The two prompts in exactly these words: devices compare them.
    name = _decode(initial) if initial else (yield from _ask(b"Username:"))
    return Proof(_text(name), (yield from _ask(b"Password:")))


def _cram_md5(initial: str, hostname: str) -> Dialogue:
    if initial:
        raise Refused("501 5.5.2 CRAM-MD5 has no initial response (RFC 4954 4)")
    challenge = f"<{secrets.token_hex(16)}@{hostname}>".encode()
    answer = yield from _ask(challenge)
    name, space, digest = answer.rpartition(b" ")
    if not space:
        raise Refused("501 5.5.2 CRAM-MD5 needs a login and a digest, with a space between")
    return Proof(_text(name), digest.lower(), challenge)


def _xoauth2(initial: str, _hostname: str) -> Dialogue:
    message = _decode(initial) if initial else (yield from _ask(b""))
    fields = _fields(message)
    return Proof(_text(fields.get(b"user", b"")), _token(fields), bearer="XOAUTH2")


def _oauthbearer(initial: str, _hostname: str) -> Dialogue:
    message = _decode(initial) if initial else (yield from _ask(b""))
    header, _, rest = message.partition(b"\x01")
    # GS2: n,a=user@example.com, (RFC 7628 3.1)
    words = header.split(b",")
    if words[0] not in (b"n", b"y") or len(words) < 3:
        raise Refused("501 5.5.2 OAUTHBEARER begins with n,a=USER, (RFC 7628)")
    return Proof(_text(words[1].removeprefix(b"a=")), _token(_fields(rest)), bearer="OAUTHBEARER")


def refusal(mechanism: str, issuer: str, reply: str) -> Dialogue:
    """How a token is refused: what is wrong as JSON, which the client answers with an empty line, and then `reply`.

    RFC 7628 3.2.2 has it so for OAUTHBEARER, and Google and Microsoft for XOAUTH2. `issuer` is where a better token can
    be had, "" when that is nobody's business.
    """
    found = {"status": "invalid_token"} if mechanism == "OAUTHBEARER" else {"status": "401", "schemes": "Bearer"}
    if issuer and mechanism == "OAUTHBEARER":
        found["openid-configuration"] = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    yield f"334 {base64.b64encode(json.dumps(found).encode()).decode()}"
    raise Refused(reply)


_EXCHANGES = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}


def _fields(message: bytes) -> dict[bytes, bytes]:
    """`key=value` pairs with octets 1 between."""
    pairs = (part.partition(b"=") for part in message.split(b"\x01") if part)
    return {key: value for key, _, value in pairs}


def _token(fields: dict[bytes, bytes]) -> bytes:
    scheme, _, token = fields.get(b"auth", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token.strip():
        raise Refused("501 5.5.2 The token is missing: auth=Bearer TOKEN, with octets 1 around")
    return token.strip()


def _ask(prompt: bytes) -> Generator[str, bytes, bytes]:
    line = yield f"334 {base64.b64encode(prompt).decode()}"
    if len(line) > LONGEST_AUTH_LINE:
        raise Refused("500 5.5.6 The authentication line is too long")
    if line == b"*":
        raise Refused("501 5.7.0 Authentication cancelled")
    return _decode(line.decode("ascii", "replace"))


def _decode(text: str) -> bytes:
    if text == "=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("501 5.5.2 This is not base64") from None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
