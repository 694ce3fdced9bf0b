"""Which account becomes which upstream, and whom it speaks as."""

from typing import Any

import pytest

from relay import upstream
from relay.config import Account
from relay.http import HttpClient
from relay.model import Clock, Identity
from relay.oauth import TokenSource
from relay.upstream.gmail import GmailUpstream
from relay.upstream.graph import GraphUpstream
from relay.upstream.sink import Discard, Fail, Sink
from relay.upstream.smtp import SmtpUpstream
from relay.upstream.ways import WaysUpstream
from tests.upstream.parts import OAUTH, Tokens

MICROSOFT: dict[str, Any] = {"provider": "microsoft", "tenant": "Contoso.com", "mailbox": "Office@contoso.com"}


async def built(values: dict[str, Any]) -> upstream.Upstream:
    account = Account(**values)
    http = HttpClient()
    source = Tokens().source
    tokens: dict[str, TokenSource] = dict.fromkeys(account.via, source) if account.oauth else {}
    try:
        return upstream.build("office", account, tokens=tokens, http=http, hostname="relay.example.com", clock=Clock())
    finally:
        await http.close()


@pytest.mark.parametrize(
    ("values", "kind", "identity"),
    [
        (
            {**MICROSOFT, "host": "smtp.office365.com", "concurrency": 2, "oauth": OAUTH},
            SmtpUpstream,
            Identity("microsoft", "global", "contoso.com", "office@contoso.com"),
        ),
        (
            {**MICROSOFT, "via": ("graph",), "concurrency": 2, "oauth": OAUTH, "cloud": "china"},
            GraphUpstream,
            Identity("microsoft", "china", "contoso.com", "office@contoso.com"),
        ),
        (
            {"provider": "google", "via": ("gmail-api",), "mailbox": "A@b.c", "concurrency": 2, "oauth": OAUTH},
            GmailUpstream,
            Identity("google", "", "", "a@b.c"),
        ),
        (
            {**MICROSOFT, "via": ("smtp", "graph"), "host": "h", "concurrency": 2, "oauth": OAUTH},
            WaysUpstream,
            Identity("microsoft", "global", "contoso.com", "office@contoso.com"),
        ),
        (
            {"provider": "smtp", "host": "Mail.example.com", "port": 25, "tls": "off", "concurrency": 2},
            SmtpUpstream,
            Identity("smtp", "", "mail.example.com:25", ""),
        ),
        (
            {"provider": "smtp", "host": "mail.example.com", "username": "Erp", "concurrency": 2},
            SmtpUpstream,
            Identity("smtp", "", "mail.example.com:587", "erp"),
        ),
        ({"provider": "sink"}, Sink, Identity("sink", "", "", "office")),
        ({"provider": "discard"}, Discard, Identity("discard", "", "", "office")),
        ({"provider": "fail"}, Fail, Identity("fail", "", "", "office")),
    ],
)
async def test_build(values: dict[str, Any], kind: type, identity: Identity) -> None:
    one = await built(values)
    assert isinstance(one, kind)
    assert one.identity == identity
    assert one.concurrency == values.get("concurrency", one.concurrency) > 0
    await one.close()


async def test_graph_needs_a_token() -> None:
    with pytest.raises(ValueError, match=r"accounts\.office: graph needs an oauth table"):
        await built({**MICROSOFT, "via": ("graph",)})
