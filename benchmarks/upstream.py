"""The process that plays the provider: submission server and token endpoint, both with certificates of their own."""

import argparse
import asyncio
import ssl
import time
from functools import partial
from pathlib import Path

import trustme
import uvloop

from benchmarks.control import Facts, answer_questions
from benchmarks.submission import Desk, Submission, Tally
from benchmarks.token_endpoint import TokenEndpoint, Tokens

_BACKLOG = 1024


class Upstream:
    """Answers what the benchmark asks the provider's process."""

    def __init__(self, desk: Desk, tokens: Tokens) -> None:
        self._desk = desk
        self._tokens = tokens

    async def reset(self, question: Facts) -> Facts:
        """Begin a new tally; check the hash of every message whose number `check_every` divides."""
        self._desk.tally = Tally(check_every=question["check_every"])
        return {}

    async def wait(self, question: Facts) -> Facts:
        """Wait until `messages` different ones have arrived, or none has for `silence` seconds, and tell what has."""
        tally = self._desk.tally
        start = time.monotonic()
        while len(tally.numbers) < question["messages"] and not tally.problems:
            if time.monotonic() > max(start, tally.last) + question["silence"]:
                break
            await asyncio.sleep(0.005)
        return {
            "messages": len(tally.numbers),
            "repeated": tally.repeated,
            "last": tally.last,
            "problems": tally.problems,
            "sessions": self._desk.sessions,
            "token_requests": self._tokens.requests,
        }


async def _serve(folder: Path, delay: float) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(tls)
    tokens = Tokens()
    desk = Desk(tls, tokens.is_token, delay)
    loop = asyncio.get_running_loop()
    listen = partial(loop.create_server, host="127.0.0.1", port=0, backlog=_BACKLOG)
    servers = {
        "smtp_port": await listen(partial(Submission, desk)),
        "plain_port": await listen(partial(Submission, desk, plain=True)),
        "token_port": await listen(partial(TokenEndpoint, tokens), ssl=tls),
    }
    upstream = Upstream(desk, tokens)
    ready: Facts = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
    ready |= {"ca_file": str(folder / "ca.pem"), "client_id": tokens.client_id, "client_secret": tokens.client_secret}
    await answer_questions(ready, {"reset": upstream.reset, "wait": upstream.wait})


def main() -> None:
    """Run until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each reply is late")
    options = parser.parse_args()
    uvloop.run(_serve(options.folder, options.delay))


if __name__ == "__main__":
    main()
