"""`[accounts.NAME.oauth]`: which keys go together, and whether the files that they name can be used."""

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from relay.config import user_grants
from relay.config.files import Tree
from relay.config.findings import Findings, KeyPath
from relay.config.secret import Secret, SecretError
from relay.config.secrets import warn_if_open
from relay.config.settings import Account, AuthMethod, OAuth

_WITH_SECRET = ("client_secret_post", "client_secret_basic", "client_secret_header")
_METHODS_OF = {
    "client_secret": _WITH_SECRET,
    "client_secret_header": ("client_secret_header",),
    "private_key_file": ("private_key_jwt",),
    "key_password": ("private_key_jwt",),
    "certificate_file": ("private_key_jwt",),
    "federated_token_file": ("private_key_jwt",),
}
"""The methods of client authentication that have a use for a key, the one to suggest first."""


def given(table: Tree, key: str, path: KeyPath, findings: Findings) -> bool:
    """Whether a secret was written, even one that could not be used: that has been said already."""
    return key in table or findings.has_problem((*path, key)) or findings.has_problem((*path, f"{key}_file"))


def is_password_grant(account: Tree) -> bool:
    """Whether the account's user name and password are for the token endpoint."""
    table = account.get("oauth")
    return isinstance(table, dict) and table.get("grant") == "password"


def is_of_user(account: Tree) -> bool:
    """Whether the token will be that of a user, however it is asked for."""
    return is_password_grant(account) or user_grants.is_user_grant(account.get("oauth"))


def preset(account: Tree) -> Tree:
    """`account` with what follows from its oauth table: the method of client authentication, and a user's password."""
    table = {**account["oauth"], "token_endpoint_auth_method": _method(account)}
    if not is_password_grant(account):
        return {**account, "oauth": table}
    username = account.get("username", account.get("mailbox"))
    if isinstance(username, str):
        table["username"] = username
    table["password"] = account.get("password")
    # Graph has no login of its own, but this user is still somebody.
    return {**account, "oauth": table, **({"username": username} if username is not None else {})}


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
    return "none" if public else "client_secret_post"


def check(account: Tree, path: KeyPath, findings: Findings) -> None:
    """The oauth table of `account`, as it was written: what is missing, and what has no use beside the rest."""
    table, inside = account["oauth"], (*path, "oauth")
    if not given(table, "client_id", inside, findings):
        findings.missing(inside, "client_id", "add the Application (client) ID of the app registration")
    user_grants.check(table, inside, findings, preset=account.get("provider") == "microsoft")
    method = _method(account)
    if method not in get_args(AuthMethod):
        return  # Its form says so.
    _check_useless(table, str(method), inside, findings)
    if is_password_grant(account) and not given(account, "password", path, findings):
        findings.missing(path, "password", 'the grant "password" sends the user\'s own: add password_file = "..."')
    if method == "none" and not is_of_user(account):
        findings.problem(
            (*inside, "token_endpoint_auth_method"),
            '"none" is for clients that show something else than themselves; client_credentials has nothing else '
            "(RFC 6749 4.4): write the method that the provider wants",
        )
    if method in _WITH_SECRET and not given(table, "client_secret", inside, findings):
        add = 'add client_secret_file = "...", a file that holds the secret (at Microsoft its Value, not its ID)'
        findings.missing(inside, "client_secret", add)
    if method == "client_secret_header" and "client_secret_header" not in table:
        findings.missing(inside, "client_secret_header", 'add the name of the header, like "X-Client-Secret"')
    if method == "private_key_jwt":
        _check_assertion(table, inside, findings)


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


def check_files(made: OAuth, path: KeyPath, findings: Findings) -> None:
    """The files of a table that is right in itself: read once, so that a wrong one shows before the first mail."""
    if made.token_endpoint_auth_method != "private_key_jwt":  # noqa: S105 (a name)
        return
    if made.federated_token_file is not None:
        try:
            Secret(file=made.federated_token_file).read()
        except SecretError as error:
            findings.problem((*path, "federated_token_file"), str(error))
    elif made.private_key_file is not None:
        _check_key(made, made.private_key_file, path, findings)


def _check_key(made: OAuth, file: Path, path: KeyPath, findings: Findings) -> None:
    # Loads the library for keys, which a relay without one has no need of.
    from relay.config.private_key import KeyFiles, KeyReader  # noqa: PLC0415

    try:
        if made.key_password is not None:
            made.key_password.read()
    except SecretError:
        return  # Told with all other secrets.
    warn_if_open(file, (*path, "private_key_file"), findings)
    try:
        key = KeyReader(KeyFiles(file, made.key_password, made.certificate_file)).read()
    except SecretError as error:
        findings.problem((*path, "private_key_file"), str(error))
        return
    if made.entra and key.certificate is None:
        add = "Microsoft finds the key by its certificate: add the file that you upload under Certificates & secrets"
        findings.missing(path, "certificate_file", add)
    if key.not_after is not None and key.not_after < datetime.now(UTC):
        ended = f"{key.not_after:%Y-%m-%d}"
        findings.warn((*path, "private_key_file"), f"its certificate ended on {ended}: make a new one and register it")
