"""The tokens of every account, made once for the whole process."""

from collections.abc import Mapping
from dataclasses import dataclass

from relay import oauth
from relay.config import Settings
from relay.http import HttpClient
from relay.listener.authentication import MailboxLogin
from relay.model import Clock
from relay.oauth import ConsentStore, Mailboxes, MailboxTokens, TokenSource


@dataclass(frozen=True, slots=True)
class Tokens:
    """By account: `sources` where it has a mailbox, `mailboxes` where that is the one of whoever sends."""

    sources: Mapping[str, TokenSource]
    mailboxes: Mapping[str, Mailboxes]

    @property
    def of_sender(self) -> Mapping[str, MailboxTokens]:
        return {name: each.tokens for name, each in self.mailboxes.items()}

    @property
    def logins(self) -> Mapping[str, MailboxLogin]:
        """What checks the logins of an account's users."""
        return {name: each.logins.check for name, each in self.mailboxes.items() if each.logins is not None}

    async def close(self) -> None:
        """Give up what is under way."""
        for each in self.mailboxes.values():
            if each.logins is not None:
                await each.logins.close()
            await each.tokens.close()
        for source in self.sources.values():
            await source.close()


def tokens_of(settings: Settings, http: HttpClient, clock: Clock, store: ConsentStore) -> Tokens:
    """Those of all accounts that need some."""
    wanted = {name: (account, account.oauth) for name, account in settings.accounts.items() if account.oauth}
    return Tokens(
        {
            name: oauth.source(name, table, http, clock, store)
            for name, (account, table) in wanted.items()
            if not account.acts_as_sender
        },
        {
            name: oauth.mailboxes(name, table, http, clock, store)
            for name, (account, table) in wanted.items()
            if account.acts_as_sender
        },
    )
