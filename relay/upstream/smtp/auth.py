"""AUTH (RFC 4954): the exchange with a token or a password.

XOAUTH2 is Google's and Microsoft's; when the token is refused the server sends an error as base64 JSON in a 334 and
waits for an empty line before it says the final word. PLAIN is RFC 4616, LOGIN is nobody's standard and everybody's
habit. Secrets go into the octets sent and nowhere else: what a server echoes of them is masked.
"""

import base64
import binascii

from relay.log import clean
from relay.upstream.smtp.connection import Connection
from relay.upstream.smtp.reply import Reply
from relay.upstream.smtp.wire import BrokenError
from relay.upstream.trouble import Trace

_LINE = 512
"""RFC 4954 4: an initial response may not make the command longer than a command line; then it follows the 334."""
_MASK = "***"


class CredentialError(Exception):
    """A user name, password or token that the mechanism cannot carry; the text says what is wrong with it."""


def xoauth2(user: str, token: str) -> bytes:
    """What XOAUTH2 sends, before base64. Raises CredentialError for what would forge a further field."""
    if any(char <= " " or char == "\x7f" for char in user) or not user:
        raise CredentialError("the user name is empty or holds a space or control character")
    if any(not "!" <= char <= "~" for char in token) or not token:
        raise CredentialError("the token is empty or holds a character that no token has")
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


def plain(user: str, password: str) -> bytes:
    """What PLAIN sends, before base64. Raises CredentialError."""
    if "\0" in user or "\0" in password:
        raise CredentialError("the user name or the password holds a NUL character, which AUTH PLAIN cannot carry")
    return f"\0{user}\0{password}".encode()


async def by_token(connection: Connection, user: str, token: str, seconds: float, trace: Trace | None) -> Reply:
    """Log in with XOAUTH2; the final reply. Raises BrokenError and CredentialError."""
    encoded = base64.b64encode(xoauth2(user, token))
    secrets = (encoded.decode(), token)
    trace = _masking(trace, secrets)
    reply = await _respond(connection, b"XOAUTH2", encoded, seconds, trace)
    if reply.code == 334:
        told = _decoded(reply.text)
        reply = await connection.ask(b"", seconds, trace, shown="(an empty line)")
        reply = reply._replace(text=f"{reply.text} {told}".strip())
    return _final(connection, reply, secrets)


async def by_password(connection: Connection, user: str, password: str, seconds: float, trace: Trace | None) -> Reply:
    """Log in with PLAIN or, where that is not offered, LOGIN; the final reply.

    Raises BrokenError and CredentialError.
    """
    response = base64.b64encode(plain(user, password))
    secrets = (response.decode(), base64.b64encode(password.encode()).decode(), password)
    trace = _masking(trace, secrets)
    if "PLAIN" in connection.mechanisms:
        reply = await _respond(connection, b"PLAIN", response, seconds, trace)
        if reply.code == 334:
            reply = await connection.ask(b"*", seconds, trace)
    else:
        reply = await connection.ask(b"AUTH LOGIN", seconds, trace)
        for secret in (user, password):
            if reply.code != 334:
                break
            reply = await connection.ask(base64.b64encode(secret.encode()), seconds, trace, shown=_MASK)
    return _final(connection, reply, secrets)


async def _respond(
    connection: Connection, mechanism: bytes, encoded: bytes, seconds: float, trace: Trace | None
) -> Reply:
    """Send the response with the command or, where the line would be too long, after the server's 334."""
    command = b"AUTH " + mechanism
    if len(command) + 1 + len(encoded) + 2 <= _LINE:
        shown = f"{command.decode()} {_MASK}"
        return await connection.ask(command + b" " + encoded, seconds, trace, shown=shown)
    reply = await connection.ask(command, seconds, trace)
    return await connection.ask(encoded, seconds, trace, shown=_MASK) if reply.code == 334 else reply


def _final(connection: Connection, reply: Reply, secrets: tuple[str, ...]) -> Reply:
    if reply.code // 100 == 3:
        connection.abort("the server does not end the AUTH exchange")
        raise BrokenError(f"the server asks again and again in the AUTH exchange: {_masked(str(reply), secrets)}")
    return reply._replace(text=_masked(reply.text, secrets))


def _masking(trace: Trace | None, secrets: tuple[str, ...]) -> Trace | None:
    return None if trace is None else lambda line: trace(_masked(line, secrets))


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    """`text` without the secrets, should a server echo them: whole, or the beginning of a long one."""
    for secret in secrets:
        text = text.replace(secret, _MASK) if len(secret) >= 4 else text
        if len(secret) > 24 and (start := text.find(secret[:24])) >= 0:
            text = text[:start] + _MASK
    return text


def _decoded(challenge: str) -> str:
    """The JSON of an error challenge as text; whatever else came in its place as it is."""
    try:
        return clean(base64.b64decode(challenge, validate=True).decode("utf-8", "replace"))[:500]
    except (binascii.Error, ValueError):
        return challenge[:500]
