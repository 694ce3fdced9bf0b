"""The tokens of every account: one source for the whole process, until the account changes."""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from relay import oauth
from relay.config import Settings
from relay.http import HttpClient
from relay.listener.authentication import MailboxLogin
from relay.model import Clock
from relay.oauth import Bearer, ConsentStore, KeySet, Mailboxes, MailboxTokens, TokenSource


@dataclass(frozen=True, slots=True)
class Tokens:
    """By account: `sources` (for each of its ways) where it has a mailbox, `mailboxes` where each sender has one."""

    sources: Mapping[str, Mapping[str, TokenSource]]
    mailboxes: Mapping[str, Mailboxes]

    @property
    def first(self) -> Mapping[str, TokenSource]:
        """The source of each account's first way: what becomes of it tells of the credential that all ways share."""
        return {name: next(iter(by_way.values())) for name, by_way in self.sources.items()}

    @property
    def credentials(self) -> Mapping[str, TokenSource | MailboxTokens]:
        """What tells of the credential of each account."""
        return {**self.first, **self.of_sender}

    @property
    def of_sender(self) -> Mapping[str, MailboxTokens]:
        return {name: each.tokens for name, each in self.mailboxes.items()}

    @property
    def logins(self) -> Mapping[str, MailboxLogin]:
        """What checks the logins of an account's users."""
        return {name: each.logins.check for name, each in self.mailboxes.items() if each.logins is not None}

    def signed_in(self, account: str, mailbox: str) -> None:
        """A new sign-in is in the store: ask with it."""
        if mailbox and account in self.mailboxes:
            self.mailboxes[account].tokens.signed_in(mailbox)
        elif account in self.sources:
            for source in set(self.sources[account].values()):
                source.begin_anew()

    def on_sign_in(self, hear: Callable[[str, str], None]) -> None:
        """Tell `hear` of each (account, mailbox) for which somebody has signed in anew."""
        for name, each in self.mailboxes.items():
            each.tokens.renewed = functools.partial(hear, name)

    async def close(self, but: "Tokens | None" = None) -> None:
        """Give up what is under way; what `but` has as well goes on."""
        kept = but or NO_TOKENS
        for name, each in self.mailboxes.items():
            if kept.mailboxes.get(name) is each:
                continue
            if each.logins is not None:
                await each.logins.close()
            await each.tokens.close()
        for source in _all(self.sources) - _all(kept.sources):
            await source.close()


def _all(sources: Mapping[str, Mapping[str, TokenSource]]) -> set[TokenSource]:
    return {source for by_way in sources.values() for source in by_way.values()}


NO_TOKENS = Tokens({}, {})


def tokens_of(
    settings: Settings,
    http: HttpClient,
    clock: Clock,
    store: ConsentStore,
    *,
    before: Tokens = NO_TOKENS,
    kept: Collection[str] = (),
) -> Tokens:
    """The tokens of all accounts that need some; the accounts in `kept` go on with the ones that they had `before`."""
    wanted = {name: (account, account.oauth) for name, account in settings.accounts.items() if account.oauth}
    return Tokens(
        {
            name: before.sources[name] if name in kept else oauth.sources(name, table, account.via, http, clock, store)
            for name, (account, table) in wanted.items()
            if not account.acts_as_sender
        },
        {
            name: before.mailboxes[name] if name in kept else oauth.mailboxes(name, table, http, clock, store)
            for name, (account, table) in wanted.items()
            if account.acts_as_sender
        },
    )


def bearers_of(settings: Settings, http: HttpClient, clock: Clock) -> dict[str, Bearer]:
    """What verifies the access tokens that clients are recognised by. Clients of one issuer share its keys."""
    found: dict[str, Bearer] = {}
    keys: dict[str, KeySet] = {}
    for name, client in settings.clients.items():
        if client.issuer is not None and client.audience is not None:
            shared = keys.setdefault(client.issuer, KeySet(client.issuer, http, clock))
            found[name] = Bearer(shared, client.audience, clock, claim=client.user_claim, login=client.login)
    return found
