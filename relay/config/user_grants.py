"""Accounts on which a user signs in: what `[accounts.NAME.oauth]` presets for them."""

from relay import providers
from relay.config.files import Tree

USER_GRANTS = frozenset({"authorization_code", "device_code"})
"""Grants that begin with a user's consent (`relay authorize`) and go on with refresh tokens."""


def is_user_grant(oauth: object) -> bool:
    """Whether an oauth table, as it was written, names such a grant."""
    return isinstance(oauth, dict) and oauth.get("grant") in USER_GRANTS


def preset(oauth: Tree) -> Tree:
    """`oauth` with the client authentication that follows from it: an application without a secret is a public one."""
    if not is_user_grant(oauth) or "client_secret" in oauth:
        return oauth
    return {"token_endpoint_auth_method": "none", **oauth}


def scope(cloud: providers.Cloud, *, graph: bool) -> str:
    """What a user of Microsoft consents to, for one way of sending."""
    return cloud.graph_user_scope if graph else cloud.smtp_user_scope
