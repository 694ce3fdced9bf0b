"""Clients that are recognised by an access token: whose it must be, for whom, and that no two fit one token."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from relay import providers
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath
from relay.config.settings import Client

_BESIDE = ("audience", "user_claim")
_SHARED = frozenset({"common", "organizations", "consumers"})
"""What Microsoft puts in the place of a tenant when all of them are meant."""
_MICROSOFT = frozenset(cloud.authority for cloud in providers.CLOUDS.values())


def check(table: Tree, path: KeyPath, findings: Findings) -> None:
    """What a token's client needs beside `issuer`, and what has no use without it."""
    issuer = table.get("issuer")
    if issuer is None:
        for key in _BESIDE:
            if key in table:
                findings.problem(
                    (*path, key), "has no meaning without issuer, the server whose access tokens are taken: add it"
                )
        return
    if "audience" not in table and not findings.has_problem((*path, "audience")):
        findings.problem(
            (*path, "audience"),
            "is missing: write what the tokens for this relay hold as aud; without it a token that was meant for any "
            "other program would be taken too",
        )
    if "login" in table and "user_claim" not in table:
        findings.problem(
            (*path, "user_claim"),
            "is missing: name the claim that has to hold the login, one that users cannot choose for themselves, like "
            'user_claim = "preferred_username" or "sub"',
        )
    if isinstance(issuer, str) and _is_everybodys(issuer):
        findings.problem(
            (*path, "issuer"),
            "stands for every tenant there is, and anybody can have one: write your own in its place, like "
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
        )


def _is_everybodys(issuer: str) -> bool:
    try:
        parts = urlsplit(issuer if "://" in issuer else f"https://{issuer}")
    except ValueError:
        return False  # Its form says so.
    return parts.hostname in _MICROSOFT and parts.path.strip("/").partition("/")[0] in _SHARED


def check_ambiguous(found: Mapping[str, Client], findings: Findings) -> None:
    """Two clients that one token would be."""
    seen: dict[tuple[str | None, ...], list[tuple[str, Client]]] = {}
    for name, client in found.items():
        if client.issuer is None:
            continue
        same = seen.setdefault((client.issuer.rstrip("/"), client.audience, client.login), [])
        for other, earlier in same:
            apart = client.networks and earlier.networks and not set(client.networks) & set(earlier.networks)
            if set(client.listeners) & set(earlier.listeners) and not apart:
                findings.problem(
                    ("clients", name, "audience"),
                    f"and issuer are also those of [clients.{other}]: give each a login with user_claim, or networks "
                    "or listeners of its own",
                )
        same.append((name, client))
