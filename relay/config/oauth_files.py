"""The files that an oauth table names: read once, so that a wrong one shows before the first mail.

What takes keys apart is loaded where there is one.
"""

from datetime import UTC, datetime
from pathlib import Path

from relay.config.findings import Findings, KeyPath
from relay.config.secret import Secret, SecretError
from relay.config.secrets import warn_if_open
from relay.config.settings import OAuth


def check(made: OAuth, path: KeyPath, findings: Findings) -> None:
    """The files of a table that is right in itself."""
    if made.grant == "jwt_bearer" and made.private_key_file is not None:
        _check_service_account(made.private_key_file, path, findings)
    elif made.token_endpoint_auth_method != "private_key_jwt":  # noqa: S105 (a name)
        return
    elif made.federated_token_file is not None:
        try:
            Secret(file=made.federated_token_file).read()
        except SecretError as error:
            findings.problem((*path, "federated_token_file"), str(error))
    elif made.private_key_file is not None:
        _check_key(made, made.private_key_file, path, findings)


def _check_service_account(file: Path, path: KeyPath, findings: Findings) -> None:
    from relay.config.service_account import ServiceAccountReader  # noqa: PLC0415

    warn_if_open(file, (*path, "private_key_file"), findings)
    try:
        ServiceAccountReader(file).read()
    except SecretError as error:
        findings.problem((*path, "private_key_file"), str(error))


def _check_key(made: OAuth, file: Path, path: KeyPath, findings: Findings) -> None:
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
