"""The simplest relay that anyone would write with aiosmtpd and aiosmtplib, in its strong form.

What makes it strong: uvloop, one SSLContext for all connections, upstream connections that are kept, a token that is
kept until it runs out, no look-up of its own name. What it is not: durable. A message is in memory only, and the
client hears 250 when the provider has taken it. Both libraries are used as they come.
"""

import argparse
import asyncio
import json
import logging
import secrets
import signal
import ssl
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import aiosmtplib
import uvloop
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

_HOSTNAME = "relay.bench.example"
_BACKLOG = 1024


class Tokens:
    """Asks for a token and keeps it while it is good."""

    def __init__(self, config: dict[str, Any], tls: ssl.SSLContext) -> None:
        self._url = config["token_endpoint"]
        self._form = urllib.parse.urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": config["client_id"],
                "client_secret": config["client_secret"],
                "scope": "smtp.send",
            }
        ).encode("ascii")
        self._tls = tls
        self._token = ""
        self._good_until = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def get(self) -> str:
        """Return a token that is good."""
        async with self._one_at_a_time:
            if time.monotonic() >= self._good_until:
                answer = await asyncio.to_thread(self._request)
                self._token = answer["access_token"]
                self._good_until = time.monotonic() + 0.8 * answer["expires_in"]
        return self._token

    def _request(self) -> dict[str, Any]:
        with urllib.request.urlopen(self._url, self._form, timeout=30, context=self._tls) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)
        return answer


class Pool:
    """Kept connections to the provider; the one that was used last is used next."""

    def __init__(self, config: dict[str, Any], tokens: Tokens, tls: ssl.SSLContext) -> None:
        self._config = config
        self._tokens = tokens
        self._tls = tls
        self._free: asyncio.LifoQueue[aiosmtplib.SMTP | None] = asyncio.LifoQueue()
        for _ in range(config["concurrency"]):
            self._free.put_nowait(None)

    async def send(self, envelope: Envelope) -> None:
        """Hand one message to the provider; raise what aiosmtplib raises."""
        connection = await self._free.get()
        try:
            if connection is None or not connection.is_connected:
                connection = await self._connect()
            assert isinstance(envelope.content, bytes)
            assert envelope.mail_from is not None
            await connection.sendmail(envelope.mail_from, envelope.rcpt_tos, envelope.content)
        finally:
            self._free.put_nowait(connection)

    async def _connect(self) -> aiosmtplib.SMTP:
        connection = aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=self._config["smtp_port"],
            username=self._config["mailbox"],
            oauth_token_generator=self._tokens.get,
            local_hostname=_HOSTNAME,
            start_tls=True,
            tls_context=self._tls,
        )
        await connection.connect()
        return connection


class Forward:
    """aiosmtpd's handler: pass on, then answer."""

    def __init__(self, pool: Pool | None) -> None:
        self._pool = pool

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self._pool is None:
            return "250 Discarded"
        try:
            await self._pool.send(envelope)
        except aiosmtplib.SMTPResponseException as error:
            return f"{error.code} {error.message}"
        except (aiosmtplib.SMTPException, OSError) as error:
            return f"451 {type(error).__name__}"
        return "250 OK"


def _authenticator(config: dict[str, Any]) -> Any:
    login, password = config["login"].encode(), config["password"].encode()

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        good = isinstance(given, LoginPassword) and given.login == login
        return AuthResult(success=good and secrets.compare_digest(given.password, password), handled=False)

    return check


async def _serve(config: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(cafile=config["ca_file"])
    handler = Forward(None if config["discard"] else Pool(config, Tokens(config, tls), tls))
    check = _authenticator(config)

    def connection() -> SMTP:
        return SMTP(
            handler,
            data_size_limit=100 * 1024 * 1024,
            hostname=_HOSTNAME,
            auth_require_tls=False,
            authenticator=check,
            loop=loop,
        )

    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with await loop.create_server(connection, "127.0.0.1", config["port"], backlog=_BACKLOG):
        await stop.wait()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    uvloop.run(_serve(json.loads(options.config.read_text())))


if __name__ == "__main__":
    main()
