"""`via`: the ways of an account, and which of its keys they have a use for."""

from collections.abc import Sequence
from typing import get_args

from relay import providers
from relay.config import addresses, oauth, user_grants
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath
from relay.config.words import Way

LOCAL_PROVIDERS = frozenset({"sink", "discard", "fail"})

_CREDENTIALS = {"username", "password", "oauth"}
_CONNECTION = {"host", "port", "tls", "min_tls", "max_tls", "server_name", "ca_file", "certificate", "key"}
_MICROSOFT_ONLY = {"tenant", "cloud", "save_to_sent"}
_OF_API = {"mail_endpoint"}
_OF_SMTP = {"connect_timeout", "write_timeout"}
_TIMES = {"connect_timeout", "timeout", "write_timeout"}
_WAYS_AT = {"microsoft": ("smtp", "graph"), "google": ("smtp", "gmail-api"), "yahoo": ("smtp",), "smtp": ("smtp",)}
_PROVIDER_OF = {"graph": "microsoft", "gmail-api": "google"}


def of(table: Tree) -> tuple[str, ...]:
    """The ways of an account as it was written: those that can be understood, SMTP where none is."""
    written = table.get("via")
    found = tuple(way for way in written if way in get_args(Way)) if isinstance(written, list) else ()
    return found or ("smtp",)


def microsoft_scopes(cloud: providers.Cloud, *, user: bool) -> dict[str, str]:
    """What a token is asked for: all that the application may do, or the one thing that a user allows it."""
    if user:
        return {"smtp": cloud.smtp_user_scope, "graph": cloud.graph_user_scope}
    return {"smtp": cloud.smtp_scope, "graph": cloud.graph_scope}


def google_scopes(used: Sequence[str]) -> dict[str, str]:
    """SMTP takes one scope only, which the API takes as well; the API by itself needs less."""
    api = providers.GMAIL_SMTP_SCOPE if "smtp" in used else providers.GMAIL_API_SCOPE
    return {"smtp": providers.GMAIL_SMTP_SCOPE, "gmail-api": api}


def preset_scopes(inner: Tree, used: Sequence[str], scopes: dict[str, str]) -> None:
    """Fill in what each way of an oauth table asks for, unless scopes are written."""
    known = {way: (scopes[way],) for way in used if way in scopes}
    if "scopes" in inner or not known:
        return
    inner["scopes"] = list(next(iter(known.values())))
    if len(known) > 1:
        inner["way_scopes"] = known


def check(table: Tree, path: KeyPath, findings: Findings) -> None:
    """A key that the provider or the ways have no use for is a mistake, not a decoration."""
    provider = str(table.get("provider"))
    used = of(table)
    useless: set[str] = set()
    why = ""
    if provider in LOCAL_PROVIDERS:
        useless = _CREDENTIALS | _CONNECTION | _MICROSOFT_ONLY | _OF_API | _TIMES | {"via"}
        why = f'has no meaning with provider = "{provider}", which sends nothing: remove it, or change the provider'
    elif provider in _WAYS_AT:
        possible = _WAYS_AT[provider]
        for way in used:
            if way not in possible:
                findings.problem((*path, "via"), f'["{way}"] needs provider = "{_PROVIDER_OF[way]}"')
        if set(used) <= set(possible):
            useless, why = _useless(provider, used, table)
        if provider != "microsoft":
            _report(table, _MICROSOFT_ONLY, _only_microsoft(provider), path, findings)
        _check_combination(table, used, path, findings)
    _report(table, useless, why, path, findings)
    _check_endpoint(table, path, findings)
    _check_mailbox(table, used, path, findings)


def _only_microsoft(provider: str) -> str:
    return f'has no meaning with provider = "{provider}": remove it, or write provider = "microsoft"'


def _useless(provider: str, used: Sequence[str], table: Tree) -> tuple[set[str], str]:
    """The keys that these ways have no use for, and why."""
    if "smtp" not in used:
        login = set() if oauth.is_password_grant(table) else {"username", "password"}
        return (
            _CONNECTION | _OF_SMTP | login,
            f'has no meaning with via = ["{used[0]}"], which sends by HTTPS: remove it',
        )
    if len(used) > 1:
        return set(), ""
    if provider == "microsoft":
        unused = set() if table.get("save_to_sent") is True else {"save_to_sent"}
        return _OF_API | unused, 'is used only with via = ["graph"]: remove it, or add that'
    if provider == "google":
        return _OF_API, 'is used only with via = ["gmail-api"]: remove it, or add that'
    return _OF_API, _only_microsoft(provider)


def _report(table: Tree, useless: set[str], why: str, path: KeyPath, findings: Findings) -> None:
    for key in table:
        if key in useless:
            findings.problem((*path, key), why)


def _check_combination(table: Tree, used: Sequence[str], path: KeyPath, findings: Findings) -> None:
    """What several ways, or one by HTTPS, want of the credential that they share."""
    if set(used) - {"smtp"} and "oauth" not in table:
        findings.missing(path, "oauth", f'via = ["{next(iter(set(used) - {"smtp"}))}"] sends with a token')
    if len(used) < 2 or not isinstance(table.get("oauth"), dict) or table.get("provider") != "microsoft":
        return
    if "scopes" in table["oauth"]:
        findings.problem(
            (*path, "oauth", "scopes"), "is the same for all ways, and each of these has its own: remove it"
        )
    if user_grants.is_user_grant(table["oauth"]):
        findings.problem(
            (*path, "via"),
            "holds two ways, and a user's sign-in is for one of them: write one, or use an application's own token",
        )


def _check_endpoint(table: Tree, path: KeyPath, findings: Findings) -> None:
    """The version is part of every request, and not of the address."""
    written = table.get("mail_endpoint")
    if isinstance(written, str) and written.rstrip("/").endswith(("/v1.0", "/beta", "/gmail/v1")):
        root = written.rstrip("/").removesuffix("/v1.0").removesuffix("/beta").removesuffix("/gmail/v1")
        findings.problem((*path, "mail_endpoint"), f'is the address in front of the version: write "{root}"')


def _check_mailbox(table: Tree, used: Sequence[str], path: KeyPath, findings: Findings) -> None:
    """Tokens for each mailbox are made for one way."""
    if table.get("mailbox") == addresses.SENDER and len(used) > 1:
        findings.problem((*path, "via"), f'holds several ways, and mailbox = "{addresses.SENDER}" has one: write one')
