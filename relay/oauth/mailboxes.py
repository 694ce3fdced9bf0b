"""The tokens of an account that acts as whoever sends: a source for each mailbox."""

from collections.abc import Callable

from relay.oauth.access_token import Granted
from relay.oauth.token_source import TokenSource


class MailboxTokens:
    """Makes a source when a mailbox first needs one, and keeps it: there are as many as the tenant has senders."""

    def __init__(self, make: Callable[[str], TokenSource]) -> None:
        self._make = make
        self._sources: dict[str, TokenSource] = {}
        self.renewed: Callable[[str], None] = lambda _: None
        """Hears of each mailbox that has signed in anew."""

    def of(self, mailbox: str) -> TokenSource:
        """The tokens that `mailbox` sends with."""
        source = self._sources.get(mailbox)
        if source is None:
            source = self._sources[mailbox] = self._make(mailbox)
        return source

    def redeemed(self, mailbox: str, granted: Granted) -> None:
        """Use what a new sign-in of `mailbox` has just brought."""
        self.of(mailbox).accept(granted)
        self.renewed(mailbox)

    async def close(self) -> None:
        """Give up the renewals that are under way."""
        for source in set(self._sources.values()):
            await source.close()
