"""`[accounts.NAME.oauth]`: which keys go together, and what follows from them."""

from collections.abc import Mapping
from typing import get_args
from urllib.parse import urlsplit

from relay import providers
from relay.config import mailbox_users, user_grants
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath
from relay.config.settings import Account, Client, OAuth
from relay.config.words import AuthMethod, Grant

_WITH_SECRET = ("client_secret_post", "client_secret_basic", "client_secret_header")
_METHODS_OF = {
    "client_secret": _WITH_SECRET,
    "client_secret_next": _WITH_SECRET,
    "client_secret_expires": _WITH_SECRET,
    "client_secret_header": ("client_secret_header",),
    "private_key_file": ("private_key_jwt",),
    "key_password": ("private_key_jwt",),
    "certificate_file": ("private_key_jwt",),
    "federated_token_file": ("private_key_jwt",),
}
"""The methods of client authentication that have a use for a key, the one to suggest first."""
_GRANTS_AT: dict[str, tuple[str, ...]] = {
    "microsoft": ("client_credentials", "managed_identity", "authorization_code", "device_code", "password"),
    "google": ("jwt_bearer", "authorization_code", "device_code"),
    "yahoo": ("authorization_code",),
}
"""What providers offer, the one that goes without saying first."""
_CLIENT = (
    *(
        "client_id",
        "client_secret",
        "client_secret_next",
        "client_secret_expires",
        "client_secret_header",
        "token_endpoint_auth_method",
    ),
    *("key_password", "certificate_file", "federated_token_file"),
)
_USELESS_WITH = {
    "jwt_bearer": _CLIENT,
    "managed_identity": (
        *_CLIENT,
        "private_key_file",
        "issuer",
        "token_endpoint",
        "token_request_method",
        "scope_delimiter",
        "extra_parameters",
    ),
}
_GRANT_OF = {"subject": "jwt_bearer", "managed_identity_client_id": "managed_identity"}
"""The one grant that has a use for a key."""


def given(table: Tree, key: str, path: KeyPath, findings: Findings) -> bool:
    """Whether a secret was written, even one that could not be used: that has been said already."""
    return key in table or findings.has_problem((*path, key)) or findings.has_problem((*path, f"{key}_file"))


def grant_of(account: Tree) -> str:
    """The grant that is written, or the one that goes without saying; "" without an oauth table."""
    table = account.get("oauth")
    if not isinstance(table, dict):
        return ""
    return str(table.get("grant", _GRANTS_AT.get(str(account.get("provider")), ("client_credentials",))[0]))


def needs_endpoint(account: Tree) -> bool:
    """Whether the token endpoint's address must be known: there is one, and it is not found by the issuer."""
    table = account.get("oauth")
    if not isinstance(table, dict) or grant_of(account) == "managed_identity":
        return False
    return "issuer" not in table


def is_password_grant(account: Tree) -> bool:
    """Whether the account's user name and password are for the token endpoint."""
    return grant_of(account) == "password"


def is_of_user(account: Tree) -> bool:
    """Whether the token will be that of a user, however it is asked for."""
    return is_password_grant(account) or has_user_grant(account)


def has_user_grant(account: Tree) -> bool:
    """Whether a user signs in for it, once."""
    return grant_of(account) in user_grants.USER_GRANTS


def preset(account: Tree) -> Tree:
    """`account` with what follows from its oauth table: the method of client authentication, and a user's password."""
    table, grant = dict(account["oauth"]), grant_of(account)
    table["entra"] = _is_microsoft(table)
    if grant in get_args(Grant):
        table["grant"] = grant
    if grant in _USELESS_WITH:
        table["token_endpoint_auth_method"] = "none"  # noqa: S105 (a name)
    else:
        table["token_endpoint_auth_method"] = _method(account)
    of_sender = mailbox_users.is_of_sender(account)
    if grant == "jwt_bearer" and isinstance(account.get("mailbox"), str) and not of_sender:
        table.setdefault("subject", account["mailbox"])
    if grant != "password" or of_sender:
        return {**account, "oauth": table}
    username = account.get("username", account.get("mailbox"))
    if isinstance(username, str):
        table["username"] = username
    table["password"] = account.get("password")
    # Graph has no login of its own, but this user is still somebody.
    return {**account, "oauth": table, **({"username": username} if username is not None else {})}


def _is_microsoft(table: Tree) -> bool:
    """Whether its tokens come from Microsoft, for whatever provider of mail they are."""
    places = (table.get(key) for key in ("issuer", "token_endpoint", "authorization_endpoint"))
    return any(isinstance(place, str) and _host(place) in providers.ENTRA_HOSTS for place in places)


def _host(url: str) -> str:
    try:
        return urlsplit(url if "://" in url else f"https://{url}").hostname or ""
    except ValueError:
        return ""


def _method(account: Tree) -> object:
    table = account["oauth"]
    if "token_endpoint_auth_method" in table:
        return table["token_endpoint_auth_method"]
    if "private_key_file" in table or "federated_token_file" in table:
        return "private_key_jwt"
    if "client_secret_header" in table:
        return "client_secret_header"
    # An application without a secret is a public one, where a user is behind it.
    public = is_of_user(account) and "client_secret" not in table
    with_secret = "client_secret_basic" if account.get("provider") == "yahoo" else "client_secret_post"
    return "none" if public else with_secret


def check(account: Tree, path: KeyPath, findings: Findings) -> None:
    """The oauth table of `account`, as it was written: what is missing, and what has no use beside the rest."""
    table, inside = account["oauth"], (*path, "oauth")
    grant = grant_of(account)
    if grant not in get_args(Grant):
        return  # Its form says so.
    _check_grant(account, grant, path, findings)
    # A user's sign-in can have both: the issuer also says who has signed in.
    one = grant not in (*user_grants.USER_GRANTS, "managed_identity")
    if "issuer" in table and "token_endpoint" in table and one:
        findings.problem((*inside, "issuer"), "and token_endpoint are both given, and one finds the other: keep one")
    if grant == "jwt_bearer":
        _check_service_account(account, path, findings)
        return
    if grant == "managed_identity":
        _check_scope(account, path, findings)
        return
    if not given(table, "client_id", inside, findings):
        findings.missing(inside, "client_id", "add the Application (client) ID of the app registration")
    shows_own = grant == "password" and not mailbox_users.is_of_sender(account)
    if shows_own and not given(account, "password", path, findings):
        findings.missing(path, "password", 'the grant "password" sends the user\'s own: add password_file = "..."')
    user_grants.check(table, inside, findings, preset=account.get("provider") in {"microsoft", "google", "yahoo"})
    method = str(_method(account))
    if method in get_args(AuthMethod):
        _check_method(account, method, grant, inside, findings)


def _check_grant(account: Tree, grant: str, path: KeyPath, findings: Findings) -> None:
    """What the provider and the grant have no use for."""
    inside, provider = (*path, "oauth"), str(account.get("provider"))
    possible = _GRANTS_AT.get(provider)
    if possible is not None and grant not in possible:
        allowed = " or ".join(f'"{one}"' for one in possible)
        findings.problem((*inside, "grant"), f'"{grant}" is nothing that {provider} offers: write {allowed}')
        return
    for key in account["oauth"]:
        if key in _USELESS_WITH.get(grant, ()):
            findings.problem((*inside, key), f'has no meaning with grant = "{grant}": remove it')
        elif (only := _GRANT_OF.get(key)) and only != grant:
            findings.problem((*inside, key), f'is used only with grant = "{only}": remove it')


def _check_service_account(account: Tree, path: KeyPath, findings: Findings) -> None:
    table, inside = account["oauth"], (*path, "oauth")
    if "private_key_file" not in table:
        add = "add the JSON key file of the service account, as Google Cloud gives it"
        findings.missing(inside, "private_key_file", add)
    if "subject" not in table and "mailbox" not in account:
        findings.missing(inside, "subject", "add the address of the mailbox, or mailbox to the account")


def _check_scope(account: Tree, path: KeyPath, findings: Findings) -> None:
    """A machine's identity is asked about one resource."""
    scopes, inside = account["oauth"].get("scopes"), (*path, "oauth")
    if scopes is None and account.get("provider") != "microsoft":
        findings.missing(inside, "scopes", 'add the resource, like "https://mail.example.com/.default"')
    written = scopes.split() if isinstance(scopes, str) else scopes
    if isinstance(written, list) and len(written) != 1:
        findings.problem((*inside, "scopes"), "a managed identity is asked about one resource: write one scope")


def _check_method(account: Tree, method: str, grant: str, path: KeyPath, findings: Findings) -> None:
    """How the client proves who it is."""
    table = account["oauth"]
    _check_useless(table, method, path, findings)
    if method == "none" and grant == "client_credentials":
        findings.problem(
            (*path, "token_endpoint_auth_method"),
            '"none" is for clients that show something else than themselves; client_credentials has nothing else '
            "(RFC 6749 4.4): write the method that the provider wants",
        )
    if method in _WITH_SECRET and not given(table, "client_secret", path, findings):
        add = 'add client_secret_file = "...", a file that holds the secret (at Microsoft its Value, not its ID)'
        findings.missing(path, "client_secret", add)
    if method == "client_secret_header" and "client_secret_header" not in table:
        findings.missing(path, "client_secret_header", 'add the name of the header, like "X-Client-Secret"')
    if method == "private_key_jwt":
        _check_assertion(table, path, findings)


def _check_assertion(table: Tree, path: KeyPath, findings: Findings) -> None:
    """Who signs: the relay with a key, or somebody else."""
    if "federated_token_file" not in table:
        if "private_key_file" not in table:
            add = 'add the PEM or PKCS#12 file that holds the key, like "client.pem"'
            findings.missing(path, "private_key_file", add)
        return
    for key in ("private_key_file", "key_password", "certificate_file"):
        if key in table:
            findings.problem(
                (*path, key),
                "has no meaning with federated_token_file, which holds what somebody else has signed: keep one",
            )


def _check_useless(table: Tree, method: str, path: KeyPath, findings: Findings) -> None:
    for key, methods in _METHODS_OF.items():
        if key in table and method not in methods:
            because = "" if "token_endpoint_auth_method" in table else ", which follows from the other keys"
            findings.problem(
                (*path, key),
                f'has no meaning with token_endpoint_auth_method = "{method}"{because}: remove it, or write '
                f'token_endpoint_auth_method = "{methods[0]}"',
            )


def warn_of_address(made: OAuth, path: KeyPath, findings: Findings) -> None:
    """With GET everything that is sent stands in the address."""
    shown = made.grant == "password" or made.token_endpoint_auth_method == "client_secret_post"  # noqa: S105 (names)
    if made.token_request_method == "GET" and shown and made.grant != "jwt_bearer":  # noqa: S105 (a name)
        findings.warn(
            (*path, "token_request_method"),
            "the secret will stand in the address, which servers and proxies write into their logs: use "
            'token_endpoint_auth_method = "client_secret_basic" if the provider takes it',
        )


def warn_of_user(made: Account, path: KeyPath, findings: Findings) -> None:
    """The token of a user opens that user's mailbox: another sender needs another right."""
    sender, user = made.own_address, made.username
    if made.oauth is None or made.oauth.grant != "password" or not sender or not user:
        return
    if sender.lower() != user.lower():
        findings.warn(
            (*path, "username"),
            f"the token will be that of {user}, and mail leaves as {sender}: the provider must allow that (at "
            "Exchange: Full Access and Send As)",
        )


def warn_of_senders(client: Client, made: Mapping[str, Account], path: KeyPath, findings: Findings) -> None:
    """As `warn_of_user`, for whom a client may send as, where it keeps the sender that a message has."""
    if client.sender == "force":
        return
    for name in client.uses:
        account = made.get(name)
        if account is None or account.oauth is None or account.oauth.grant != "password" or not account.username:
            continue
        known = {account.username.lower(), (account.own_address or "").lower()}
        others = [sender for sender in client.senders if sender.lower() not in known]
        if others:
            findings.warn(
                (*path, "senders"),
                f"the tokens of the account {name} are those of {account.username}, and mail may leave as "
                f"{', '.join(others)}: the provider must allow that (at Exchange: Send As)",
            )
