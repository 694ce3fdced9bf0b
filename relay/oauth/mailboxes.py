"""The tokens of an account that acts as whoever sends: a source for each mailbox."""

from collections import OrderedDict
from collections.abc import Callable

from relay.oauth.access_token import Granted
from relay.oauth.errors import TokenError
from relay.oauth.token_source import TokenSource

MOST = 1000
"""Mailboxes whose tokens are kept in memory: a client that mistypes its senders makes any number of them."""


class MailboxTokens:
    """Makes a source when a mailbox first needs one; those not used for longest are made again when they are."""

    def __init__(self, make: Callable[[str], TokenSource]) -> None:
        self._make = make
        self._sources: OrderedDict[str, TokenSource] = OrderedDict()
        self.renewed: Callable[[str], None] = lambda _: None
        """Hears of each mailbox that has signed in anew."""

    def of(self, mailbox: str) -> TokenSource:
        """The tokens that `mailbox` sends with."""
        source = self._sources.get(mailbox)
        if source is None:
            source = self._sources[mailbox] = self._make(mailbox)
        self._sources.move_to_end(mailbox)
        if len(self._sources) > MOST and not self._sources[oldest := next(iter(self._sources))].is_asking:
            del self._sources[oldest]
        return source

    def redeemed(self, mailbox: str, granted: Granted) -> None:
        """Use what a new sign-in of `mailbox` has just brought."""
        self.of(mailbox).accept(granted)
        self.renewed(mailbox)

    def signed_in(self, mailbox: str) -> None:
        """A new sign-in of `mailbox` is in the store: ask with it, where nobody has yet."""
        source = self._sources.get(mailbox)
        if source is not None and not source.works:
            source.begin_anew()
        self.renewed(mailbox)

    @property
    def failure(self) -> TokenError | None:
        """Why the last request of some mailbox gave no token, where that is not the user's own trouble."""
        failures = (source.failure for source in self._sources.values())
        return next((one for one in failures if one is not None and not one.is_of_user), None)

    @property
    def works(self) -> bool:
        """Whether some mailbox has got a token, and nothing but a user's own trouble is in the way of the others."""
        return self.failure is None and any(source.works for source in self._sources.values())

    async def close(self) -> None:
        """Give up the renewals that are under way."""
        for source in set(self._sources.values()):
            await source.close()
