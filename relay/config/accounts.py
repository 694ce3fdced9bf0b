"""Accounts: what each provider presets, and what makes sense for it."""

import re
from collections.abc import Sequence
from typing import Any

from relay import providers
from relay.config import mailbox_users, network, oauth, oauth_files, tls, user_grants, ways
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath, nearest, suggestion
from relay.config.settings import Account
from relay.config.tables import make, possible

BUILT_IN: Tree = {"sink": {"provider": "sink"}}

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def accounts(raw: Tree, findings: Findings) -> dict[str, Account]:
    """The accounts that can be made of the `accounts` table, defaults filled in."""
    found = {name: _account(name, table, raw, findings) for name, table in raw.items()}
    made = {name: one for name, one in found.items() if one is not None}
    for name in raw:
        _check_fallback(name, made, raw, findings)
    return made


def _check_fallback(name: str, made: dict[str, Account], raw: Tree, findings: Findings) -> None:
    """It leads to another account, and never back: a message tries each once."""
    path, way, here = ("accounts", name, "fallback"), [name], _word(raw[name], "fallback") or None
    if here is not None and here not in raw:
        findings.problem(path, f'there is no account "{here}": {suggestion(here, raw)}')
    while here is not None and here in made:
        way.append(here)
        if here in way[:-1]:
            if here == name:
                findings.problem(path, f"leads back to {name} ({' > '.join(way)}): leave out one of them")
            return
        here = made[here].fallback


def _account(name: str, table: Tree, others: Tree, findings: Findings) -> Account | None:
    path = ("accounts", name)
    if "provider" not in table and not findings.has_problem((*path, "provider")):
        findings.problem((*path, "provider"), _provider_missing(name, others))
    ways.check(table, path, findings)
    _check_needs(table, path, findings)
    made = make(Account, _preset(table), path, findings)
    known = made or possible(Account, _preset(table), {"provider": "smtp"})
    if known is not None:
        if not any(findings.has_problem((*path, key)) for key in ("tls", "provider")):
            _check_credentials(known, path, findings)
            _check_server(known, table, path, findings)
        tls.check_account(known, path, findings)
        if known.oauth is not None:
            oauth_files.check(known.oauth, (*path, "oauth"), findings)
            oauth.warn_of_user(known, path, findings)
            oauth.warn_of_address(known.oauth, (*path, "oauth"), findings)
    return made


def _provider_missing(name: str, others: Tree) -> str:
    """Most often a variable or a header with a misspelt name has made a second account."""
    near = nearest(name, (other for other, table in others.items() if other != name and "provider" in table))
    meant = f", or did you mean the account {near}?" if near else ""
    return f'is missing: add provider = "microsoft", "google", "yahoo", "smtp", "sink", "discard" or "fail"{meant}'


def _preset(table: Tree) -> Tree:
    """`table` with what its provider presets; what is written wins."""
    provider = _word(table, "provider")
    if isinstance(table.get("oauth"), dict):
        table = oauth.preset(table)
    if provider == "microsoft":
        return _microsoft(table)
    if provider == "google":
        return _google(table)
    if provider == "yahoo":
        return _yahoo(table)
    filled = dict(table)
    if provider in ways.LOCAL_PROVIDERS:
        return {"tls": "off", **filled}
    filled.setdefault("port", _port(filled.get("tls", "starttls")))
    if "password" in filled or "oauth" in filled:
        _set_username(filled)
    return filled


def _port(encryption: object) -> int:
    if encryption == "implicit":
        return providers.IMPLICIT_TLS_PORT
    return providers.SUBMISSION_PORT if encryption == "starttls" else providers.SMTP_PORT


def _microsoft(table: Tree) -> Tree:
    filled = dict(table)
    cloud = next((facts for name, facts in providers.CLOUDS.items() if name == table.get("cloud")), None)
    cloud = cloud or providers.CLOUDS["global"]
    used = ways.of(table)
    if "graph" in used:
        filled.setdefault("mail_endpoint", cloud.graph_root)
        filled.setdefault("concurrency", providers.GRAPH_CONCURRENCY)
    if "smtp" in used:
        filled.setdefault("host", cloud.smtp_host)
        high_volume = _word(filled, "host").lower() in providers.HIGH_VOLUME_HOSTS
        filled.setdefault("rate", [] if high_volume else list(providers.EXCHANGE_RATE))
        filled.setdefault("port", _port(filled.get("tls", "starttls")))
        filled.setdefault("concurrency", providers.EXCHANGE_CONCURRENCY)
        _set_username(filled)
    elif "graph" in used:
        filled.setdefault("rate", list(providers.GRAPH_RATE))
    if isinstance(filled.get("oauth"), dict):
        inner = filled["oauth"] = {**filled["oauth"], "entra": True}
        tenant = filled.get("tenant")
        if not isinstance(tenant, str) or not re.fullmatch(r"[\w.-]+", tenant):
            tenant = "TENANT"  # What is wrong with it is said of the key itself.
        if oauth.needs_endpoint(table):
            inner.setdefault("token_endpoint", f"https://{cloud.authority}/{tenant}/oauth2/v2.0/token")
        inner |= user_grants.neighbours(inner)
        ways.preset_scopes(inner, used, ways.microsoft_scopes(cloud, user=oauth.is_of_user(table)))
    return filled


def _mail_service(table: Tree, host: str, concurrency: int, rate: Sequence[str] = ()) -> Tree:
    """`table` with what a service for mailboxes presets."""
    filled = dict(table)
    # RFC 8314 3.3 prefers TLS from the first byte; a port that is written says what is spoken there.
    written = filled.get("port", providers.IMPLICIT_TLS_PORT)
    filled.setdefault("tls", "implicit" if written == providers.IMPLICIT_TLS_PORT else "starttls")
    filled.setdefault("host", host)
    filled.setdefault("port", _port(filled["tls"]))
    filled.setdefault("concurrency", concurrency)
    if rate:
        filled.setdefault("rate", list(rate))
    _set_username(filled)
    return filled


def _yahoo(table: Tree) -> Tree:
    filled = _mail_service(table, providers.YAHOO_SMTP_HOST, providers.YAHOO_CONCURRENCY)
    if isinstance(filled.get("oauth"), dict):
        inner = filled["oauth"] = dict(filled["oauth"])
        if oauth.needs_endpoint(table):
            inner.setdefault("token_endpoint", providers.YAHOO_TOKEN_ENDPOINT)
            inner.setdefault("authorization_endpoint", providers.YAHOO_AUTHORIZATION_ENDPOINT)
        inner.setdefault("scopes", [providers.YAHOO_SMTP_SCOPE])
    return filled


def _google(table: Tree) -> Tree:
    used = ways.of(table)
    rate = providers.GMAIL_RATE if "smtp" in used else providers.GMAIL_API_RATE
    filled = _mail_service(table, providers.GMAIL_SMTP_HOST, providers.GMAIL_CONCURRENCY, rate)
    if "gmail-api" in used:
        filled.setdefault("mail_endpoint", providers.GMAIL_API_ROOT)
    if isinstance(filled.get("oauth"), dict):
        inner = filled["oauth"] = dict(filled["oauth"])
        if oauth.needs_endpoint(table):
            inner.setdefault("token_endpoint", providers.GOOGLE_TOKEN_ENDPOINT)
        if user_grants.is_user_grant(inner):
            inner.setdefault("authorization_endpoint", providers.GOOGLE_AUTHORIZATION_ENDPOINT)
            inner.setdefault("device_authorization_endpoint", providers.GOOGLE_DEVICE_ENDPOINT)
            inner.setdefault("issuer", providers.GOOGLE_ISSUER)
        ways.preset_scopes(inner, used, ways.google_scopes(used))
    return filled


def _word(table: Tree, key: str) -> str:
    """A value that is compared with words, whatever was written."""
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _set_default(table: Tree, key: str, value: Any) -> None:
    if value is not None:
        table.setdefault(key, value)


def _set_username(table: Tree) -> None:
    """The login is the mailbox, unless that is another one for each message."""
    if not mailbox_users.is_of_sender(table):
        _set_default(table, "username", table.get("mailbox"))


def _check_needs(table: Tree, path: KeyPath, findings: Findings) -> None:
    provider = _word(table, "provider")
    if provider == "microsoft":
        _check_microsoft(table, path, findings)
    if provider == "smtp":
        if "host" not in table:
            findings.missing(path, "host", 'add the smarthost, like host = "smtp.example.com"')
        if oauth.needs_endpoint(table) and "token_endpoint" not in table["oauth"]:
            add = 'add the address that issues the tokens, like "https://login.example.com/oauth2/token", or issuer'
            findings.missing((*path, "oauth"), "token_endpoint", add)
    if provider == "google":
        _check_mail_service(table, path, findings, "the private_key_file of a service account")
    if provider == "yahoo":
        _check_mail_service(table, path, findings, "client_id and client_secret, or write an app password as password")
    if provider in {"smtp", "google", "yahoo", "microsoft"}:
        _check_logins(table, path, findings)


def _check_mail_service(table: Tree, path: KeyPath, findings: Findings, needed: str) -> None:
    if "mailbox" not in table and not oauth.has_user_grant(table):
        findings.missing(path, "mailbox", 'add the mailbox that sends, like mailbox = "noreply@example.com"')
    if "oauth" not in table and not oauth.given(table, "password", path, findings):
        findings.missing(path, "oauth", f"add [{'.'.join(path)}.oauth] with {needed}")


def _check_microsoft(table: Tree, path: KeyPath, findings: Findings) -> None:
    if "mailbox" not in table and not oauth.has_user_grant(table):
        findings.missing(path, "mailbox", 'add the mailbox that sends, like mailbox = "noreply@contoso.com"')
    password = oauth.given(table, "password", path, findings)
    if "oauth" not in table and not password:
        findings.missing(path, "oauth", f"add [{'.'.join(path)}.oauth] with client_id and client_secret")
    if "tenant" not in table:
        if oauth.grant_of(table) != "managed_identity" and ("oauth" in table or not password):
            add = 'add the directory (tenant) ID, or a domain of it, like tenant = "contoso.onmicrosoft.com"'
            findings.missing(path, "tenant", add)
    elif isinstance(table["tenant"], str):
        shared = table["tenant"].lower() in providers.TENANTS_WITHOUT_APPS
        if not (shared and user_grants.is_user_grant(table.get("oauth"))):
            _check_tenant(table["tenant"], (*path, "tenant"), findings, user=oauth.is_password_grant(table))


def _check_tenant(tenant: str, path: KeyPath, findings: Findings, *, user: bool) -> None:
    if user and tenant.lower() in providers.TENANTS_WITHOUT_PASSWORDS:
        findings.problem(path, f'"{tenant}" takes no password: write the user\'s own tenant, or "organizations"')
    elif user and tenant.lower() in providers.TENANTS_WITHOUT_APPS:
        return
    elif tenant.lower() in providers.TENANTS_WITHOUT_APPS:
        findings.problem(
            path,
            f'"{tenant}" stands for every tenant, and client_credentials is about one: an application\'s own token '
            "comes only from a tenant named by its ID (Entra > Overview) or by a domain of it",
        )
    elif not _GUID.fullmatch(tenant):
        try:
            if "." not in network.domain(tenant):
                raise ValueError
        except ValueError:
            findings.problem(
                path, f'"{tenant}" is neither a tenant ID nor a domain: write like "contoso.onmicrosoft.com"'
            )


def _check_logins(table: Tree, path: KeyPath, findings: Findings) -> None:
    """How it authenticates: by token, by password, or not at all."""
    token, password = "oauth" in table, oauth.given(table, "password", path, findings)
    if token and password and not oauth.is_password_grant(table):
        findings.problem((*path, "password"), f"and [{'.'.join(path)}.oauth] are both given: keep one")
    # Where a user signs in, that says who it is.
    named = "username" in table or "mailbox" in table or oauth.has_user_grant(table)
    if (token or password) and not named:
        findings.missing(path, "username", "add the login at the server, or mailbox when that is the same")
    if "username" in table and not (token or password):
        findings.problem((*path, "username"), "has neither a password nor [oauth] with it: add one, or remove it")
    if isinstance(table.get("oauth"), dict):
        oauth.check(table, path, findings)
    mailbox_users.check_account(table, oauth.grant_of(table), path, findings)


def _check_credentials(made: Account, path: KeyPath, findings: Findings) -> None:
    if (made.password or made.oauth) and "smtp" in made.via and made.tls in {"off", "opportunistic"}:
        findings.problem(
            (*path, "tls"),
            f'"{made.tls}" could send the password or token readable: write "starttls" or "implicit", '
            "or remove the credentials",
        )
    at_exchange = made.provider == "microsoft" or (made.host or "").lower() in providers.BASIC_RETIRING_HOSTS
    if made.password and not made.oauth and at_exchange:
        findings.warn(
            (*path, "password"),
            f"Exchange Online turns Basic authentication off by default at the {providers.BASIC_OFF_BY_DEFAULT} and "
            f"announces its final removal in the {providers.BASIC_REMOVAL_ANNOUNCED} ({providers.BASIC_SOURCE}): "
            f"use [{'.'.join(path)}.oauth]",
        )


def _check_server(made: Account, table: Tree, path: KeyPath, findings: Findings) -> None:
    if made.provider == "microsoft" and made.tls == "implicit" and "host" not in table:
        findings.problem((*path, "tls"), 'Exchange Online does not offer implicit TLS (port 465): write "starttls"')
    if made.server_name and made.tls == "off":
        findings.problem((*path, "server_name"), 'has no meaning with tls = "off": remove it')
