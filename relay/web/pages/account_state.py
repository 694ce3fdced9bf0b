"""How one account is doing, put together for the page and the API: values only, never a token."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.alerts import Deadlines
from relay.alerts.deadlines import Deadline
from relay.config import Account
from relay.config.user_grants import USER_GRANTS
from relay.model import LaneStatus
from relay.oauth import TokenSource
from relay.oauth.store import CONSENT_NEEDED, Consent
from relay.spool.history import Overview
from relay.spool.trouble import LastTrouble
from relay.web.view import View


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account. `tone` is good, wait, bad or quiet, `verdict` the same in words.

    `token` says in words where the token stands; its end is `token_until` (seconds since the epoch).
    """

    name: str
    account: Account
    way: str
    tone: str
    verdict: str
    token: str
    token_until: float | None
    token_error: str
    token_hint: str
    lane: LaneStatus | None
    """Its mailbox, or all of them together."""
    paused: tuple[LaneStatus, ...]
    """The mailboxes in trouble of an account that acts as whoever sends."""
    last: LastTrouble | None
    consent: Consent | None
    clients: tuple[str, ...]
    deadlines: tuple[Deadline, ...]
    waiting: int
    failed: int

    @property
    def signs_in(self) -> bool:
        """Whether a user signs in for it."""
        return self.account.oauth is not None and self.account.oauth.grant in USER_GRANTS


async def states(view: View, overview: Overview | None = None) -> list[AccountState]:
    """Every account, as configured."""
    overview = overview or await view.spool.overview()
    return [found for name in view.settings().accounts if (found := await state(view, name, overview)) is not None]


async def state(view: View, name: str, overview: Overview | None = None) -> AccountState | None:
    """One account; None when the configuration has none of that name."""
    settings = view.settings()
    account = settings.accounts.get(name)
    if account is None:
        return None
    lanes = [one for one in view.lanes() if name in one.accounts]
    lane = next((one for one in lanes if not one.mailbox), None)
    paused = tuple(one for one in lanes if one.mailbox and one.trouble)
    source = view.sources().get(name)
    consent = await view.consents.find(name) if account.oauth is not None else None
    overview = overview or await view.spool.overview()
    signs_in = account.oauth is not None and account.oauth.grant in USER_GRANTS
    token = _token(account, source, consent, signs_in=signs_in)
    tone, verdict = _verdict(view.clock.time(), lane, paused, source, consent, signs_in=signs_in)
    failure = source.failure if source is not None else None
    return AccountState(
        name=name,
        account=account,
        way=way(account),
        tone=tone,
        verdict=verdict,
        token=token,
        token_until=source.expires_at if source is not None else None,
        token_error=failure.text if failure is not None else "",
        token_hint=failure.hint if failure is not None else "",
        lane=lane,
        paused=paused,
        last=await view.queue.last_trouble(name) if overview.total(account=name) else None,
        consent=consent,
        clients=tuple(client for client, one in settings.clients.items() if name in one.uses),
        deadlines=tuple(Deadlines(settings).of_account(name)),
        waiting=overview.total("queued", "active", "held", account=name),
        failed=overview.total("failed", account=name),
    )


def way(account: Account) -> str:
    """Where its mail goes, in a few words."""
    texts = {
        "sink": "keeps mail here, sends nothing",
        "discard": "throws mail away",
        "fail": "refuses every message",
    }
    if account.provider in texts:
        return texts[account.provider]
    if account.via[0] == "graph":
        return f"Microsoft Graph at {account.mail_endpoint}"
    return f"SMTP to {account.host}:{account.port}"


def _token(account: Account, source: TokenSource | None, consent: Consent | None, *, signs_in: bool) -> str:
    if account.oauth is None:
        return "uses no token"
    if source is None:
        return "one for each mailbox that sends"
    if signs_in and consent is None:
        return "nobody has signed in yet"
    if source.failure is not None:
        return "refused"
    if source.works:
        return "good"
    return "not asked for since the start"


def _verdict(
    now: float,
    lane: LaneStatus | None,
    paused: Sequence[LaneStatus],
    source: TokenSource | None,
    consent: Consent | None,
    *,
    signs_in: bool,
) -> tuple[str, str]:
    if signs_in and consent is None:
        return "bad", "needs a sign-in"
    if consent is not None and consent.state == CONSENT_NEEDED:
        return "bad", "sign-in has ended"
    if lane is not None and lane.paused_until > now:
        return "wait", "paused"
    if source is not None and source.failure is not None:
        return "bad", "no token"
    if lane is not None and lane.trouble:
        return "wait", "trying again"
    if paused:
        return "wait", f"{len(paused):,} {'mailbox' if len(paused) == 1 else 'mailboxes'} in trouble"
    if lane is not None and (lane.active or lane.last_sent_at):
        return "good", "sending" if lane.active else "works"
    return "quiet", "ready"
