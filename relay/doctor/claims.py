"""A token's claims held against what the account's way needs. Pure.

Nothing is decided by it: the server has the last word, and with RBAC for Applications a token without any role is right
(docs/sources.md). What a mail server refuses without a reason can often be read here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from relay import providers
from relay.advice import exchange
from relay.config import Account, SecretError
from relay.config.user_grants import USER_GRANTS
from relay.doctor.report import State
from relay.log import clean, duration, moment
from relay.oauth import Token

SHOWN = ("aud", "iss", "tid", "appid", "azp", "oid", "idtyp", "roles", "scp", "upn", "preferred_username", "exp")
"""The claims that a person is told, in this order."""

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SKEW = 300.0
_NO_DRAFTS = f"{providers.GRAPH_DRAFTS} is not among them: mail above 3 MB needs it besides"
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, or what is to be said about one: `note` is the finding, `action` and `commands` the next step."""

    name: str
    value: str
    state: State = State.OK
    note: str = ""
    action: str = ""
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """What a way wants of a token: one of `audiences`, and `permission` in `roles` or `scp`."""

    audiences: frozenset[str]
    permission: str
    resource: str
    """The API as the Entra admin center calls it."""


def need_of(account: Account) -> Need | None:
    """What the token of `account` has to hold; None where that is not known."""
    if account.provider != "microsoft":
        return None
    cloud = providers.CLOUDS[account.cloud]
    if account.via[0] == "graph":
        audiences = {cloud.graph_root, providers.GRAPH_APPLICATION}
        return Need(frozenset(audiences), "Mail.Send", "Microsoft Graph")
    # A token may name either of Exchange's addresses, or its application.
    audiences = {*map(_root, (cloud.smtp_scope, cloud.smtp_user_scope)), providers.EXCHANGE_APPLICATION}
    if is_high_volume(account):
        return Need(frozenset(audiences), "Mail.Send", "Office 365 Exchange Online")
    permission = "SMTP.Send" if is_of_user(account) else "SMTP.SendAsApp"
    return Need(frozenset(audiences), permission, "Office 365 Exchange Online")


def is_high_volume(account: Account) -> bool:
    """Whether it is an account of High Volume Email, which has rights of its own (docs/sources.md)."""
    return (account.host or "").lower() in providers.HIGH_VOLUME_HOSTS


def is_of_user(account: Account) -> bool:
    """Whether the token is a user's, not the application's own."""
    return account.oauth is not None and account.oauth.grant in (*USER_GRANTS, "password")


def judged(account: Account, token: Token, claims: Mapping[str, Any], now: float) -> list[Claim]:
    """What is to be told of a token, claim by claim; `now` is in seconds since the epoch."""
    if not claims:
        return _opaque(account, token)
    need = need_of(account)
    found = {name: Claim(name, _shown(name, claims[name])) for name in SHOWN if name in claims}
    if need is not None:
        for claim in (
            _audience(account, need, claims),
            _permission(account, need, claims),
            _tenant(account, claims),
            _application(account, claims),
            *_user(account, claims),
        ):
            found[claim.name] = claim
    found |= {claim.name: claim for claim in _times(claims, now)}
    order = {name: number for number, name in enumerate(SHOWN)}
    return sorted(found.values(), key=lambda claim: order.get(claim.name, len(order)))


def _opaque(account: Account, token: Token) -> list[Claim]:
    """Google's tokens say nothing about themselves; what was granted stands in the answer that brought them."""
    said = [Claim("token", "opaque", note="it says nothing about itself; only its provider can read it")]
    if not token.scope:
        return said
    wanted = account.oauth.scopes if account.oauth is not None else ()
    missing = [scope for scope in wanted if scope not in token.scope.split() and scope != "offline_access"]
    if not missing or account.provider != "google":
        return [*said, Claim("scope", clean(token.scope[:_LONGEST]))]
    note = f"{' '.join(missing)} was asked for and is not in it"
    action = (
        "Sign in again and tick every box of the consent page, or delegate exactly this scope to the service account"
    )
    return [*said, Claim("scope", clean(token.scope[:_LONGEST]), State.FAIL, note, action)]


def _audience(account: Account, need: Need, claims: Mapping[str, Any]) -> Claim:
    value = _shown("aud", claims.get("aud"))
    if value.rstrip("/").lower() in {audience.lower() for audience in need.audiences}:
        return Claim("aud", value)
    scope = _scope(account)
    note = f"the token is for {value or 'nobody'}, and {need.resource} takes only its own"
    action = f"Leave the account's oauth.scopes unset, or write {scope} there"
    # Outside the worldwide cloud Microsoft's own pages do not name the audiences: there the server decides.
    state = State.FAIL if account.cloud == "global" else State.WARN
    return Claim("aud", value, state, note, action)


def _permission(account: Account, need: Need, claims: Mapping[str, Any]) -> Claim:
    if is_of_user(account):
        held, name, kind = str(claims.get("scp", "")).split(), "scp", "Delegated"
    else:
        roles = claims.get("roles")
        held, name, kind = [str(role) for role in roles] if isinstance(roles, list) else [], "roles", "Application"
    value = clean(" ".join(held)[:_LONGEST])
    if need.permission in held:
        lacks_drafts = account.via[0] == "graph" and providers.GRAPH_DRAFTS not in held
        return Claim(name, value, note=_NO_DRAFTS if lacks_drafts else "")
    path = f"App registrations > API permissions > {need.resource} > {kind} permissions > {need.permission}"
    if name == "scp":
        action = f"Add it under {path}, then sign in again"
        return Claim(name, value, State.FAIL, f"{need.permission} is missing: the user has not consented to it", action)
    note = f"{need.permission} is missing: no consent was given, or the right comes from RBAC for Applications"
    action = (
        f"Add {path} and choose Grant admin consent (it can take up to two hours). With RBAC for Applications this is"
        " as it should be; this command shows whether it covers the mailbox:"
    )
    commands = (exchange.CONNECT, exchange.test_rights(exchange.Ids.of(claims), account.mailbox or ""))
    return Claim(name, value, State.WARN, note, action, commands)


def _tenant(account: Account, claims: Mapping[str, Any]) -> Claim:
    value = _shown("tid", claims.get("tid"))
    wanted = account.tenant or ""
    if not value or not _GUID.fullmatch(wanted) or value.lower() == wanted.lower():
        return Claim("tid", value)
    note = f"the token is of another tenant than the configured {wanted}"
    return Claim("tid", value, State.FAIL, note, "Correct the account's tenant, or its oauth.token_endpoint")


def _application(account: Account, claims: Mapping[str, Any]) -> Claim:
    """`appid` in tokens of version 1.0, `azp` in those of version 2.0."""
    name = "azp" if "appid" not in claims and "azp" in claims else "appid"
    value = _shown(name, claims.get(name))
    wanted = account.oauth.client_id if account.oauth is not None else None
    try:
        configured = wanted.read().strip() if wanted is not None else ""
    except SecretError:
        configured = ""  # the step before has told of it
    if not value or not configured or value.lower() == configured.lower():
        return Claim(name, value)
    return Claim(name, value, State.WARN, "the token is of another application than client_id names", "Check client_id")


def _user(account: Account, claims: Mapping[str, Any]) -> list[Claim]:
    """Whose token it is, held against whose mailbox it is used for."""
    name = next((name for name in ("upn", "preferred_username") if name in claims), "")
    if not name or not is_of_user(account):
        return []
    value, login = _shown(name, claims[name]), account.username or account.mailbox or ""
    if not login or value.lower() == login.lower():
        return [Claim(name, value)]
    note = f"the token is of {value}, and the mailbox is {login}: its user needs rights on that mailbox"
    commands = (exchange.CONNECT, exchange.open_mailbox(login, value), exchange.send_as(login, value))
    return [
        Claim(name, value, State.WARN, note, "If that is not so already, an Exchange administrator types:", commands)
    ]


def _times(claims: Mapping[str, Any], now: float) -> list[Claim]:
    ends, begins = _number(claims.get("exp")), _number(claims.get("nbf", claims.get("iat")))
    found = []
    if ends is not None:
        value = f"{_shown('exp', claims['exp'])} ({duration(ends - now)} left)"
        over = Claim("exp", value, State.FAIL, "it has ended already", "Set this machine's clock (NTP)")
        found.append(over if ends <= now else Claim("exp", value))
    if begins is not None and begins > now + _SKEW:
        note = f"it begins only in {duration(begins - now)}: this machine's clock is behind the provider's"
        found.append(Claim("nbf", _shown("nbf", begins), State.FAIL, note, "Set this machine's clock (NTP)"))
    return found


def _scope(account: Account) -> str:
    cloud = providers.CLOUDS[account.cloud]
    graph, user = account.via[0] == "graph", is_of_user(account)
    scopes = (cloud.graph_user_scope, cloud.graph_scope) if graph else (cloud.smtp_user_scope, cloud.smtp_scope)
    return scopes[0] if user else scopes[1]


def _root(scope: str) -> str:
    parts = urlsplit(scope)
    return f"{parts.scheme}://{parts.netloc}"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < 1e11 else None


def _shown(name: str, value: object) -> str:
    """A claim as a person reads it; a stranger wrote it, so nothing is taken for granted."""
    if value is None:
        return ""
    number = _number(value)
    if name in ("exp", "nbf") and number is not None:
        return moment(number)
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return clean(text[:_LONGEST])
