"""Why there is no token: one clear line for people, and the facts that decide what happens to the mail."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import quote, quote_plus

from relay.advice import oauth as advice
from relay.config.secret import SecretError
from relay.http import HttpError
from relay.log import clean

OF_USER = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required", "consent_needed"})
"""Errors about one user's sign-in or password: for any other user the endpoint may answer otherwise."""
INVALID_RESPONSE = "invalid_response"
"""The `error` of an answer that is neither a token nor an error of OAuth."""
_LONGEST = 300
# What is shorter could be a part of any word, and a sentence full of asterisks helps nobody.
_SHORTEST_MASKED = 4


@dataclass(frozen=True, slots=True)
class Refused:
    """What a token endpoint said in place of a token, as it said it.

    `error` and `description` are those of RFC 6749 5.2, `codes` Microsoft's AADSTS numbers, `trace` the ids that a
    provider's support asks for, `temporary` says that asking later can help. `hint` is "" when `error` tells it.
    """

    error: str
    description: str
    temporary: bool
    codes: tuple[int, ...] = ()
    trace: str = ""
    hint: str = ""

    def without(self, secrets: Iterable[str]) -> Self:
        """Itself with `secrets` masked: some servers quote what they were sent."""
        masked = [
            form
            for secret in secrets
            for form in (secret, quote_plus(secret), quote(secret, safe=""))
            if len(secret) >= _SHORTEST_MASKED
        ]

        def mask(text: str) -> str:
            for secret in sorted(masked, key=len, reverse=True):
                text = text.replace(secret, "***")
            return text

        return replace(self, error=mask(self.error), description=mask(self.description), trace=mask(self.trace))


class TokenError(Exception):
    """There is no token. `str()` is one line that says where, why, and what to do.

    `error` is the provider's (RFC 6749 5.2) or one of ours: "unreachable", "invalid_response", "secret_unreadable",
    "insecure_endpoint", "no_identity", "no_metadata", "consent_needed", "busy", "storage", "sealed", "internal",
    "stopping". `temporary` says that waiting can help; otherwise a person must act. `retry_after` is the seconds until
    the token endpoint may be asked again. `trace` holds the provider's ids of the request, for the log.
    """

    @property
    def reason(self) -> str:
        """The line for where "no token" is said already."""
        return str(self).replace(": no token: ", ": ", 1)

    def __init__(
        self,
        text: str,
        *,
        error: str,
        temporary: bool,
        description: str = "",
        codes: tuple[int, ...] = (),
        retry_after: float | None = None,
        hint: str = "",
        trace: str = "",
    ) -> None:
        super().__init__(f"{text} — {hint}" if hint else text)
        self.text = text
        self.error = error
        self.temporary = temporary
        self.description = description
        self.codes = codes
        self.retry_after = retry_after
        self.hint = hint
        self.trace = trace

    @property
    def is_of_user(self) -> bool:
        """Whether this is one user's trouble, and neither the endpoint's nor the application's."""
        return self.error in OF_USER

    def waiting(self, retry_after: float) -> "TokenError":
        """The same trouble for one more caller, with the seconds that are left."""
        return TokenError(
            self.text,
            error=self.error,
            temporary=self.temporary,
            description=self.description,
            codes=self.codes,
            retry_after=retry_after,
            hint=self.hint,
            trace=self.trace,
        )


def refused(account: str, host: str, answer: Refused, retry_after: float | None, *, grant: str = "") -> TokenError:
    """The token endpoint at `host` gave no token for `grant`."""
    said = " ".join([*(f"AADSTS{code}" for code in answer.codes[:3]), clean(answer.error)])
    did = f"refused: {said}"
    if answer.error == INVALID_RESPONSE:
        did = "gave no usable answer"
    sentence = _first_sentence(answer.description)
    return TokenError(
        f"{account}: the token endpoint {host} {did}{f': {sentence}' if sentence else ''}",
        error=answer.error,
        temporary=answer.temporary,
        description=clean(answer.description),
        codes=answer.codes,
        retry_after=retry_after,
        hint=answer.hint or advice.hint(answer.error, answer.codes, answer.description, account=account, grant=grant),
        trace=clean(answer.trace),
    )


def unreachable(account: str, error: HttpError, hint: str = "") -> TokenError:
    """The token endpoint could not be asked, or did not answer. `hint` says more than the error's own."""
    text = f"{account}: no token: {clean(error.text)}"
    return TokenError(text, error="unreachable", temporary=True, description=error.text, hint=hint or error.hint)


def no_metadata(account: str, reason: str, *, temporary: bool = False, retry_after: float | None = None) -> TokenError:
    """The issuer does not say where its token endpoint is."""
    hint = f"Correct accounts.{account}.oauth.issuer, or write token_endpoint in its place"
    text = f"{account}: no token: {reason}"
    return TokenError(
        text,
        error="no_metadata",
        temporary=temporary,
        description=reason,
        retry_after=retry_after,
        hint="Wait: the relay tries again by itself" if temporary else hint,
    )


def no_identity(account: str, reason: str) -> TokenError:
    """The machine's managed identity cannot be used as it is configured."""
    text = f"{account}: no token: managed identity: {reason}"
    return TokenError(text, error="no_identity", temporary=False, description=reason)


def secret_unreadable(account: str, error: SecretError) -> TokenError:
    """The client id or secret is not there to be sent."""
    text = f"{account}: no token: {clean(str(error))}"
    return TokenError(text, error="secret_unreadable", temporary=False, description=str(error))


def insecure_endpoint(account: str, host: str) -> TokenError:
    """The client secret would cross a network in the clear."""
    text = f"{account}: no token: the token endpoint at {host} would be asked without TLS"
    hint = f"Write https:// in accounts.{account}.oauth.token_endpoint"
    return TokenError(text, error="insecure_endpoint", temporary=False, hint=hint)


def neither(error: TokenError, one: str, other: str) -> TokenError:
    """Both secrets were tried, and `error` is what was said to one of them."""
    return TokenError(
        f"{error.text} (tried with {one} and with {other})",
        error=error.error,
        temporary=error.temporary,
        description=error.description,
        codes=error.codes,
        retry_after=error.retry_after,
        hint=error.hint,
        trace=error.trace,
    )


def consent_missing(account: str, mailbox: str = "") -> TokenError:
    """Nobody has signed in yet."""
    who = f"as {mailbox}" if mailbox else "for this account"
    text = f"{account}: no token: nobody has signed in {who} yet"
    return TokenError(text, error="consent_needed", temporary=False, hint=_sign_in(account, mailbox))


def consent_needed(account: str, said: str, mailbox: str = "") -> TokenError:
    """The sign-in has ended, as the provider `said`; it is not asked again for a while."""
    whose = f" of {mailbox}" if mailbox else ""
    text = f"{account}: no token: the sign-in{whose} has ended{f' ({said})' if said else ''}"
    return TokenError(text, error="consent_needed", temporary=False, hint=_sign_in(account, mailbox, again=True))


def _sign_in(account: str, mailbox: str, *, again: bool = False) -> str:
    if mailbox:
        return f"It begins anew when an application logs in to the relay as {mailbox} with the right password"
    return f"Sign in{' again' if again else ''}: relay authorize {account}"


def consent_ended(account: str, error: TokenError, mailbox: str = "") -> TokenError:
    """The provider has just said that the sign-in has ended."""
    again = f"relay authorize {account}"
    hint = error.hint if again in error.hint else f"{error.hint} Sign in again: {again}".strip()
    if mailbox:
        hint = _sign_in(account, mailbox)
    return TokenError(
        error.text,
        error=error.error,
        temporary=False,
        description=error.description,
        codes=error.codes,
        retry_after=error.retry_after,
        hint=hint,
        trace=error.trace,
    )


def consent_elsewhere(account: str, endpoint: str, mailbox: str = "") -> TokenError:
    """The sign-in belongs to another application or server than the configured one: it is shown to no other."""
    text = f"{account}: no token: the stored sign-in is for another client_id or token_endpoint ({clean(endpoint)})"
    hint = _sign_in(account, mailbox) if mailbox else f"Sign in for the configured one: relay authorize {account}"
    return TokenError(text, error="consent_needed", temporary=False, hint=hint)


def leased(account: str, seconds: float) -> TokenError:
    """Another process asks for so long that it may hang."""
    text = f"{account}: no token: another relay process is asking for one"
    return TokenError(text, error="busy", temporary=True, retry_after=max(1.0, seconds), hint="Wait: it has a deadline")


def not_stored(account: str, reason: str) -> TokenError:
    """The sign-in cannot be read or kept; a token that came is not used before what came with it is safe."""
    text = f"{account}: no token: the stored sign-in cannot be read or saved: {clean(reason)}"
    return TokenError(text, error="storage", temporary=True)


def sealed(account: str, reason: str) -> TokenError:
    """The stored sign-in cannot be opened with this key."""
    return TokenError(f"{account}: no token: {clean(reason)}", error="sealed", temporary=False)


def internal(account: str) -> TokenError:
    """A mistake of ours."""
    hint = "The log has the details: please report them. The relay tries again by itself"
    return TokenError(f"{account}: no token: an internal error", error="internal", temporary=True, hint=hint)


def stopping(account: str) -> TokenError:
    """The relay stops while somebody waits for a token."""
    return TokenError(f"{account}: no token: the relay is stopping", error="stopping", temporary=True)


def _first_sentence(description: str) -> str:
    # Entra begins with the number and ends with ids and a time, on lines of their own or not.
    text = re.sub(r"\AAADSTS[0-9]+: *", "", description.strip())
    text = re.split(r"[\r\n]| Trace ID: ", text, maxsplit=1)[0]
    sentence = clean(re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0])
    return sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}…"
