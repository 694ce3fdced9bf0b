"""What an SMTP reply means for the mail: a pure decision, from tables.

RFC 5321 4.2.1 knows two kinds of refusal, now (4yz) and ever (5yz). Providers use them freely: a daily limit that is
over in hours comes as 550, a mailbox whose login is switched off as 535 at AUTH. The rows below are those of Exchange
and Gmail that mean something else than their first digit says, or that concern more than one message.

A row is found by code and enhanced code; words decide only where one pair of codes stands for several things.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from relay.advice import smtp as advice
from relay.model import Outcome, Result, Scope

_MINUTES = 60.0
_HOURS = 3600.0


class Stage(StrEnum):
    """Which step of the session was answered."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    """The message is under way; its last line has not been sent."""
    END = "end"
    """The final dot has been sent."""


SESSION = frozenset({Stage.CONNECT, Stage.EHLO, Stage.STARTTLS, Stage.AUTH})
"""Before these are over, no message is at stake: what goes wrong in them is trouble with the mailbox or the server."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a row says becomes of the mail; seconds to wait where it needs longer than the usual pause."""

    outcome: Outcome
    scope: Scope
    retry_after: float | None = None


THIS = Verdict(Outcome.DEFERRED, Scope.MESSAGE)
"""Later: the trouble is this message's alone."""
HOLD = Verdict(Outcome.DEFERRED, Scope.IDENTITY)
"""Later: the mailbox is in trouble, somebody has to do something or it is busy."""
HOLD_ALL = Verdict(Outcome.DEFERRED, Scope.ACCOUNT)
"""Later: the tenant is in trouble."""
SLOWLY = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 10 * _MINUTES)
SLOWLY_ALL = Verdict(Outcome.DEFERRED, Scope.ACCOUNT, 10 * _MINUTES)
HOURS = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 2 * _HOURS)
"""A limit over the last 24 hours that frees itself little by little."""
HOURS_ALL = Verdict(Outcome.DEFERRED, Scope.ACCOUNT, 2 * _HOURS)
LOCKED_OUT = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 4 * _HOURS)
"""Gmail locks a mailbox that has passed its daily limit for 1 to 24 hours."""
LOCKED_OUT_ALL = Verdict(Outcome.DEFERRED, Scope.ACCOUNT, 4 * _HOURS)
NEVER = Verdict(Outcome.FAILED, Scope.MESSAGE)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a provider's table. Empty = any; `words` are looked for in the reply's text in lower case."""

    verdict: Verdict
    codes: tuple[int, ...] = ()
    statuses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()

    def fits(self, stage: Stage, code: int, status: str, text: str) -> bool:
        return (
            (not self.codes or code in self.codes)
            and (not self.statuses or status in self.statuses)
            and (not self.stages or stage in self.stages)
            and (not self.words or any(word in text for word in self.words))
        )


# Exchange Online and High Volume Email (docs/sources.md).
MICROSOFT = (
    Row(SLOWLY_ALL, (450,), ("4.7.3",), ("organization queue quota",)),
    Row(HOLD, (432,)),
    Row(HOLD, (421,), ("4.4.2",), ("submission rate",)),
    Row(HOLD_ALL, (535,), ("5.7.139",), ("disabled for the tenant", "security defaults", "organization configuration")),
    Row(HOLD, (530,), ("5.7.57",)),
    Row(HOLD, (550, 535), ("5.7.30",)),
    Row(HOURS, (), (), ("submissionquotaexceeded", "submission quota exceeded")),
    Row(NEVER, (), (), ("sendasdenied",)),
    Row(HOURS, (550, 554), ("5.1.90",)),
    Row(HOLD, (554,), ("5.2.2",), ("storedrv.submission", "shutoffquotaexceeded"), (Stage.DATA, Stage.END)),
    Row(HOLD, (550, 554), ("5.1.8",)),
    Row(HOLD, (), ("5.7.501", "5.7.502", "5.7.503", "5.7.506")),
    Row(HOLD_ALL, (), ("5.7.64", "5.7.68", "5.7.705", "5.7.708", "5.7.750", "4.4.62")),
    Row(HOURS_ALL, (), ("5.7.232", "5.7.233", "5.7.236")),
    Row(HOLD, (), ("5.7.240",)),
)

# Gmail and Google's SMTP relay (docs/sources.md).
GOOGLE = (
    Row(LOCKED_OUT, (550,), ("5.4.5",)),
    Row(LOCKED_OUT_ALL, (550,), ("5.7.1",), ("daily smtp relay limit",)),
    Row(SLOWLY_ALL, (450,), ("4.2.1",), ("smtp relay limit",)),
    Row(HOLD_ALL, (550,), ("5.7.0",), ("mail relay denied",)),
    Row(HOLD_ALL, (550,), ("5.7.1",), ("invalid credentials for relay",)),
    Row(SLOWLY, (454,), ("4.7.0",)),
    Row(SLOWLY, (421,), ("4.7.28",)),
    Row(HOLD, (421,), ("4.7.0",)),
    Row(replace(THIS, retry_after=10 * _MINUTES), (450,), ("4.2.1",)),
)

# What any server means by these codes; tried after the provider's own rows.
ANY = (
    Row(HOLD, (530, 534, 535, 538)),
    # RFC 5321 4.5.3.1.10: a 552 to RCPT used to say "too many recipients" and is to be taken for 452.
    Row(THIS, (552,), ("", "5.5.3"), (), (Stage.RCPT,)),
)


def _throttled(status: str) -> bool:
    """Exchange slows a whole IP address down with 4.7.500-699 and 4.7.850-899."""
    group, _, detail = status.rpartition(".")
    return group == "4.7" and detail.isdigit() and (500 <= int(detail) <= 699 or 850 <= int(detail) <= 899)


def classify(
    stage: Stage, code: int, status: str, text: str, provider: str, *, mailbox: str = "", account: str = ""
) -> Result:
    """What a reply to `stage` means: outcome, how far it reaches, when to come back, what to do.

    `status` is the enhanced code that the reply carried, "" for none; the result always has one. `mailbox` and
    `account` make the hint exact.
    """
    if 200 <= code < 300 and stage is Stage.END:
        return Result(Outcome.SENT, code, status or "2.0.0", text, Scope.RECIPIENT)
    verdict = _verdict(stage, code, status, text, provider)
    scope = verdict.scope
    if stage is Stage.RCPT and scope is Scope.MESSAGE:
        scope = Scope.RECIPIENT
    hint = advice.hint(code, status, text, provider, mailbox=mailbox, account=account)
    return Result(verdict.outcome, code, status or default_status(stage, code), text, scope, verdict.retry_after, hint)


def default_status(stage: Stage, code: int) -> str:
    """An enhanced code (RFC 3463) for a reply that carries none."""
    subject = {Stage.AUTH: "7.0", Stage.STARTTLS: "7.0", Stage.RCPT: "1.0"}.get(stage, "0.0")
    known = {421: "3.2", 452: "3.1", 530: "7.0", 535: "7.8", 552: "3.4"}
    first = code // 100 if code // 100 in (4, 5) else 4
    return f"{first}.{known.get(code, subject)}"


def token_may_be_stale(code: int, status: str, text: str) -> bool:
    """Whether a refusal at AUTH can be the token's fault, so that a fresh one is worth one try.

    A 535 proves nothing: Exchange answers a wrong permission as it answers an expired token. 5.7.139 names a policy.
    """
    if code == 535:
        return status != "5.7.139"
    return code == 501 and "token" in text.lower()


def _verdict(stage: Stage, code: int, status: str, text: str, provider: str) -> Verdict:
    words = text.lower()
    family = advice.family(provider, text)
    rows = {"microsoft": MICROSOFT, "google": GOOGLE}.get(family, ())
    for row in (*rows, *ANY):
        if row.fits(stage, code, status, words):
            return row.verdict
    if family == "microsoft" and _throttled(status):
        return SLOWLY
    return _by_digit(stage, code)


def _by_digit(stage: Stage, code: int) -> Verdict:
    """Promise 3: unknown trouble in the session is temporary and the mailbox's; after that the first digit decides.

    A 421 to MAIL is still the server's trouble. From RCPT on it may be this message that upsets the server, and one
    message must never hold up a mailbox for good.
    """
    if stage in SESSION or (stage is Stage.MAIL and code == 421):
        return HOLD
    return NEVER if code >= 500 else THIS
