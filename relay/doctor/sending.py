"""`relay send-test`: one message the whole way of an account, past the queue, and what was said at each step."""

import contextlib
import time
from collections.abc import Callable
from email.utils import format_datetime, localtime

from relay import oauth, upstream
from relay.config import Account, Settings
from relay.config.user_grants import USER_GRANTS
from relay.database import StorageError
from relay.http import HttpClient
from relay.log import duration
from relay.model import Clock, Envelope, MemoryBody, Message, Origin, Outcome
from relay.oauth import ConsentStore, TokenError, TokenSource
from relay.oauth.opening import opened

Say = Callable[[str], None]
_TOLD_CLAIMS = ("aud", "appid", "tid", "oid", "roles", "scp", "upn")


async def send_test(settings: Settings, name: str, recipient: str | None, sender: str | None, say: Say) -> bool:
    """Send one message by account `name`, telling each step; True when the upstream took it.

    The way is the one that queued mail takes; only the queue itself is left out.
    """
    account = settings.accounts[name]
    sender = sender or account.own_address
    recipient = recipient or account.own_mailbox or sender
    if not sender or not recipient:
        say(f"accounts.{name} has no mailbox of its own: give --from{'' if account.acts_as_sender else ' and --to'}")
        return False
    async with contextlib.AsyncExitStack() as stack:
        store = None
        if account.oauth is not None:
            # What a relay that runs has fetched is used here too; only sign-ins are kept nowhere else.
            needed = account.oauth.grant in USER_GRANTS or account.has_sign_ins
            try:
                store = await stack.enter_async_context(opened(settings))
            except StorageError as error:
                if needed:
                    say(f"the stored sign-ins cannot be read: {error}")
                    return False
        return await _send(settings, name, sender, recipient, say, store)


async def _send(
    settings: Settings, name: str, sender: str, recipient: str, say: Say, store: ConsentStore | None
) -> bool:
    account = settings.accounts[name]
    clock = Clock()
    http = HttpClient(settings.http, clock=clock)
    tokens: dict[str, TokenSource] = {}
    mailboxes = None
    if account.oauth is not None and account.acts_as_sender:
        mailboxes = oauth.mailboxes(name, account.oauth, http, clock, store).tokens
        tokens = {account.via[0]: mailboxes.of(sender.lower())}
    elif account.oauth is not None:
        tokens = oauth.sources(name, account.oauth, account.via, http, clock, store)
    way = upstream.build(
        name, account, tokens=tokens, mailboxes=mailboxes, http=http, hostname=settings.hostname, clock=clock
    )
    try:
        for source in dict.fromkeys(tokens.values()):
            if not await _show_token(source, account, say, clock):
                return False
        ways = f", by {' or '.join(account.via)}" if account.is_real else ""
        say(f"sending from <{sender}> to <{recipient}> by {name} ({account.provider}{ways})")
        results = await way.send(_message(name, sender, recipient, settings.hostname, clock.time()), say)
    finally:
        await way.close()
        for source in set(tokens.values()):
            await source.close()
        await http.close()
    result = results[recipient]
    say(f"{result.outcome.value}: {result.code} {result.status} {result.text}")
    if result.hint:
        say(f"what to do: {result.hint}")
    return result.outcome is Outcome.SENT


async def _show_token(tokens: TokenSource, account: Account, say: Say, clock: Clock) -> bool:
    say(f"asking {account.oauth.origin if account.oauth else ''} for a token")
    try:
        token = await tokens.get()
    except TokenError as error:
        say(f"no token: {error.reason}")
        return False
    say(f"got a token, good for {duration(token.expires_at - clock.time())}")
    claims = oauth.claims(token)
    for claim in _TOLD_CLAIMS:
        if claim in claims:
            say(f"  {claim}: {claims[claim]}")
    return True


def _message(account: str, sender: str, recipient: str, hostname: str, now: float) -> Message:
    stamp = f"{int(now * 1000):x}"
    headers = "".join(
        f"{name}: {value}\r\n"
        for name, value in (
            ("From", sender),
            ("To", recipient),
            ("Subject", f"Test message from smtp-oauth-relay on {hostname}"),
            ("Date", format_datetime(localtime())),
            ("Message-ID", f"<send-test.{stamp}@{hostname}>"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
        )
    )
    text = f"This message was sent by `relay send-test {account}`.\r\nIf you can read it, the account works.\r\n"
    return Message(
        id=f"test{stamp}",
        account=account,
        envelope=Envelope(sender, (recipient,)),
        headers=headers.encode(),
        body=MemoryBody.of(text.encode()),
        origin=Origin(client="send-test", listener="", peer="", helo=hostname, login=sender),
        received_at=time.time(),
    )
