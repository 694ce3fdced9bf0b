"""The accounts at work: their tokens and their ways out, made anew for those that have changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from relay import upstream
from relay.config import Settings
from relay.http import HttpClient
from relay.model import Clock
from relay.oauth import ConsentStore
from relay.service.changes import Snapshot
from relay.service.tokens import NO_TOKENS, Tokens, tokens_of
from relay.upstream import Families, Gates, Keeper, Upstream


@dataclass(frozen=True, slots=True)
class Exits:
    """What all accounts send with; `families` and `gates` are what accounts on one mailbox share."""

    tokens: Tokens = NO_TOKENS
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    families: Families = field(default_factory=Families)
    gates: Gates = field(default_factory=Gates)

    async def close_replaced(self, by: "Exits") -> None:
        """Close what `by` does not use any more; nothing of it may be under way."""
        for name, each in self.upstreams.items():
            if by.upstreams.get(name) is not each:
                await each.close()
        await self.tokens.close(but=by.tokens)


@dataclass(frozen=True, slots=True)
class ExitMaker:
    """Makes the exits; `keeper` keeps the mail of sinks."""

    http: HttpClient
    clock: Clock
    store: ConsentStore
    keeper: Keeper | None = None

    def make(self, settings: Settings) -> Exits:
        """The exits of all accounts. Raises ValueError for settings that a checked configuration cannot have."""
        return self._made(settings, Exits(gates=Gates(self.clock)), kept_tokens=(), kept=())

    def remake(self, before: Exits, old: Snapshot, new: Snapshot) -> Exits:
        """The exits of `new`, as few of them as possible other than those of `before`. Raises ValueError as `make`."""
        kept_tokens = [name for name in new.settings.accounts if old.same_tokens(name, new)]
        changed = {name for name in (*old.settings.accounts, *new.settings.accounts) if not _same(name, old, new)}
        # The accounts on one mailbox share what is counted, so they change together.
        touched = {
            upstream.identity(name, each.settings.accounts[name])
            for each in (old, new)
            for name in changed & each.settings.accounts.keys()
        }
        for identity in touched:
            before.gates.renew(identity)
        kept = [
            name
            for name, account in new.settings.accounts.items()
            if name not in changed and upstream.identity(name, account) not in touched
        ]
        return self._made(new.settings, before, kept_tokens=kept_tokens, kept=kept)

    def _made(self, settings: Settings, before: Exits, *, kept_tokens: Collection[str], kept: Sequence[str]) -> Exits:
        tokens = tokens_of(settings, self.http, self.clock, self.store, before=before.tokens, kept=kept_tokens)
        upstreams = {name: before.upstreams[name] for name in kept}
        for name, account in settings.accounts.items():
            if name in upstreams:
                continue
            upstreams[name] = upstream.build(
                name,
                account,
                tokens=tokens.sources.get(name, {}),
                mailboxes=tokens.of_sender.get(name),
                http=self.http,
                hostname=settings.hostname,
                sink_log=settings.sink.log,
                keeper=self.keeper,
                clock=self.clock,
                families=before.families,
                gates=before.gates,
            )
            if name in settings.log.conversations:
                upstreams[name] = upstream.overheard(name, upstreams[name])
        in_order = {name: upstreams[name] for name in settings.accounts}
        return Exits(tokens, in_order, before.families, before.gates)


def _same(name: str, old: Snapshot, new: Snapshot) -> bool:
    """Whether an account's way out is made of the same in both."""
    if not old.same("accounts", name, new) or old.settings.hostname != new.settings.hostname:
        return False
    if (name in old.settings.log.conversations) != (name in new.settings.log.conversations):
        return False
    account = new.settings.accounts.get(name)
    if account is not None and account.provider == "sink":
        return old.settings.sink.log == new.settings.sink.log
    return True
