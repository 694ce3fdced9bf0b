"""Looks around once a minute: what runs out soon, whose sign-in has ended, which mailbox has been in trouble for long.

It stands beside the mail and never in its way: a task of its own, whose trouble is a line in the log.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from relay import log, metrics
from relay.alerts import thresholds
from relay.alerts.alert import Alert, Level
from relay.alerts.channels import Channel, Command, Webhook
from relay.alerts.deadlines import Deadline, Deadlines, signed_in_until
from relay.alerts.memory import Memory
from relay.alerts.outbox import Outbox
from relay.config import Settings
from relay.config.user_grants import USER_GRANTS
from relay.database import StorageError
from relay.http import HttpClient
from relay.log import duration
from relay.model import Clock, LaneStatus
from relay.oauth import ConsentStore, TokenError
from relay.oauth.store import CONSENT_NEEDED

EVERY = 60.0
"""Seconds between two looks."""
FILES_EVERY = 3600.0
"""Seconds between two looks into certificates."""
FILE = "alerts.json"
_GRACE = 2 * EVERY
"""A pause that has just ended is not over: the next attempt decides."""
_SECRET_EXPIRED = 7000222
"""Entra's number for a client secret that has ended (docs/sources.md)."""


class Credential(Protocol):
    """What an account proves itself with, by what has become of it."""

    @property
    def works(self) -> bool: ...
    @property
    def failure(self) -> TokenError | None: ...


class Radar:
    """One for each relay. `lanes` tells how the mailboxes are doing, `storage` why the queue takes no mail."""

    def __init__(
        self,
        settings: Settings,
        *,
        credentials: Mapping[str, Credential],
        store: ConsentStore,
        lanes: Callable[[], Sequence[LaneStatus]],
        http: HttpClient,
        clock: Clock,
        storage: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._store = store
        self._lanes = lanes
        self._storage = storage
        self._unsaved = ""
        self._http = http
        self._clock = clock
        self._deadlines = Deadlines(settings)
        self._memory = Memory.load(Path(settings.state_folder) / FILE)
        self._outbox = Outbox(self._memory, channels(settings, http), clock)
        self._known: list[Deadline] = []
        self._files_at = float("-inf")
        self._in_trouble: dict[str, float] = {}
        """Since when, by a clock that nobody can set."""

    def use(self, settings: Settings, credentials: Mapping[str, Credential]) -> None:
        """Look at these from now on: the configuration has changed. What was told stays told."""
        self._settings = settings
        self._credentials = credentials
        self._deadlines = Deadlines(settings)
        self._files_at = float("-inf")
        self._outbox.use(channels(settings, self._http))

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 (whatever is wrong here, the mail goes on)
                log.internal_error("the look for what runs out has failed; it is tried again", error)
            await self._clock.sleep(EVERY)

    async def look(self) -> None:
        """One look: tell what is new, and try again what was not heard."""
        await self._look_at_deadlines()
        await self._look_at_sign_ins()
        self._look_at_refusals()
        self._look_at_lanes()
        self._look_at_storage()
        await self._save()
        await self._outbox.flush()
        await self._save()

    async def _save(self) -> None:
        try:
            await asyncio.to_thread(self._memory.save)
        except OSError as error:
            reason = error.strerror or str(error)
            if reason != self._unsaved:  # once, not every minute
                log.alerts.state_lost(str(self._memory.file), reason)
            self._unsaved = reason
        else:
            self._unsaved = ""

    async def _look_at_deadlines(self) -> None:
        now = self._clock.monotonic()
        if now - self._files_at >= FILES_EVERY:
            self._known = await asyncio.to_thread(self._deadlines.all)
            self._files_at = now
            metrics.EXPIRES.clear()
        for deadline in self._known:
            self._look_at(deadline)

    def _look_at(self, deadline: Deadline) -> None:
        metrics.EXPIRES.labels(deadline.kind, deadline.name).set(deadline.until)
        now = self._clock.time()
        days = thresholds.reached(deadline.until, now)
        if days is None:
            self._memory.forget(deadline.key)
        elif thresholds.is_news(self._memory.said.get(deadline.key), deadline.until, days):
            self._memory.remember(deadline.key, deadline.until, days)
            self._outbox.add(thresholds.alert(deadline, days, now))

    async def _look_at_sign_ins(self) -> None:
        for name, account in self._settings.accounts.items():
            if account.oauth is None or account.oauth.grant not in USER_GRANTS:
                continue
            try:
                consent = await self._store.find(name)
            except StorageError:
                continue  # delivery tells of it, and the next look tries again
            if consent is None:
                continue  # nobody has signed in yet: nothing was lost
            lost = consent.state == CONSENT_NEEDED
            metrics.SIGN_IN_NEEDED.labels(name).set(int(lost))
            key = f"consent:{name}"
            if lost:
                reason = f": {consent.error}" if consent.error else ""
                text = f"the sign-in of the account {name} has ended, its mail waits{reason}"
                self._tell_once(key, "consent_lost", "consent", name, text, f"Sign in again: relay authorize {name}")
                continue
            self._memory.forget(key)
            ending = signed_in_until(name, account, consent)
            if ending is not None:
                self._look_at(ending)

    def _look_at_refusals(self) -> None:
        """A secret whose end nobody has written down is known to have ended when the provider says so."""
        written = {one.name for one in self._known if one.kind == "client_secret" and one.until <= self._clock.time()}
        for name, credential in self._credentials.items():
            key = f"client_secret_refused:{name}"
            if credential.works:
                self._memory.forget(key)
            elif credential.failure is not None and _SECRET_EXPIRED in credential.failure.codes and name not in written:
                text = f"the client secret of the account {name} has expired, as the provider says; its mail waits"
                action = credential.failure.hint
                self._tell_once(key, "expired", "client_secret", name, text, action)

    def _look_at_lanes(self) -> None:
        now = self._clock.time()
        lanes = self._lanes()
        for gone in self._in_trouble.keys() - {lane.identity for lane in lanes}:
            # A sender whose mail has been dropped, or has expired: nobody waits for his mailbox any more.
            del self._in_trouble[gone]
            metrics.PAUSED.remove(gone)
            self._memory.forget(f"paused:{gone}")
        for lane in lanes:
            key = f"paused:{lane.identity}"
            if not lane.trouble or (now >= lane.paused_until + _GRACE and not lane.active):
                was = self._in_trouble.pop(lane.identity, None)
                if not lane.mailbox:
                    metrics.PAUSED.labels(lane.identity).set(0)
                elif was is not None:  # there may be any number of senders: those who are well have no row
                    metrics.PAUSED.remove(lane.identity)
                # After a restart nothing is known of a mailbox until it is tried: that is not yet good news.
                if lane.last_sent_at is not None and not lane.trouble:
                    self._memory.forget(key)
                continue
            since = self._clock.elapsed() - self._in_trouble.setdefault(lane.identity, self._clock.elapsed())
            metrics.PAUSED.labels(lane.identity).set(since)
            if since >= self._settings.alerts.paused_after:
                text = f"{lane.identity} has been paused for {duration(since)} and its mail waits: {lane.trouble}"
                action = f"Find out what to do: relay doctor {lane.accounts[0]}"
                self._tell_once(key, "identity_paused", "identity", lane.identity, text, action)

    def _look_at_storage(self) -> None:
        troubles = self._storage()
        if not troubles:
            self._memory.forget("storage")
        for text in troubles[:1]:
            action = "Make room, or see what is wrong with the disk: the relay goes on by itself"
            self._tell_once("storage", "storage", "queue", "queue", text, action)

    def _tell_once(self, key: str, event: str, kind: str, name: str, text: str, action: str) -> None:
        if key not in self._memory.said:
            self._memory.remember(key, None, 0)
            self._outbox.add(Alert(key, event, Level.ERROR, kind, name, text, action, self._clock.time()))


def channels(settings: Settings, http: HttpClient) -> list[Channel]:
    """The ways that `[alerts]` names."""
    found: list[Channel] = []
    if settings.alerts.webhook is not None:
        found.append(Webhook(settings.alerts.webhook, http, settings.hostname))
    if settings.alerts.command:
        found.append(Command(settings.alerts.command, settings.hostname))
    return found
