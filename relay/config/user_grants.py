"""Accounts on which a user signs in: what `[accounts.NAME.oauth]` presets for them."""

from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath

_TOKEN_PATH = "/oauth2/v2.0/token"  # noqa: S105 (a path)
_NEEDED = {
    "authorization_code": ("authorization_endpoint", "https://login.example.com/oauth2/authorize"),
    "device_code": ("device_authorization_endpoint", "https://login.example.com/oauth2/device"),
}

USER_GRANTS = frozenset({"authorization_code", "device_code"})
"""Grants that begin with a user's consent (`relay authorize`) and go on with refresh tokens."""


def is_user_grant(oauth: object) -> bool:
    """Whether an oauth table, as it was written, names such a grant."""
    return isinstance(oauth, dict) and oauth.get("grant") in USER_GRANTS


def neighbours(oauth: Tree) -> Tree:
    """What follows from a token endpoint of Microsoft's: its neighbours. What is written wins."""
    endpoint = oauth.get("token_endpoint")
    if not is_user_grant(oauth) or not isinstance(endpoint, str) or not endpoint.endswith(_TOKEN_PATH):
        return {}
    root = endpoint.removesuffix(_TOKEN_PATH)
    addresses = {
        "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
        "issuer": f"{root}/v2.0",
    }
    return {key: address for key, address in addresses.items() if key not in oauth}


def check(oauth: Tree, path: KeyPath, findings: Findings, *, preset: bool) -> None:
    """The address that a sign-in begins at, unless the provider presets it or the issuer names it."""
    grant = oauth.get("grant")
    if preset or not isinstance(grant, str) or grant not in _NEEDED:
        return
    key, example = _NEEDED[grant]
    if key not in oauth and "issuer" not in oauth and not findings.has_problem((*path, key)):
        findings.problem(
            (*path, key), f'is missing: grant = "{grant}" needs it: add an address like "{example}", or issuer'
        )
