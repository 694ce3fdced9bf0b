"""Certificates for servers of tests: an authority that is trusted, and one that nobody knows."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """An authority of a test's own; `file` is its certificate in PEM."""

    ca: trustme.CA
    file: Path

    @classmethod
    def make(cls, folder: Path, name: str = "Test") -> "Authority":
        ca = trustme.CA(organization_name=name)
        file = folder / f"{name.lower()}-ca.pem"
        ca.cert_pem.write_to_path(file)
        return cls(ca, file)

    def server(self, *names: str) -> ssl.SSLContext:
        """A server's context with a certificate for `names` (localhost)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("localhost",))).configure_cert(context)
        return context

    @property
    def client(self) -> ssl.SSLContext:
        """A client's context that trusts this authority and nothing else."""
        return ssl.create_default_context(cafile=str(self.file))


@dataclass(frozen=True)
class ServerFiles:
    """A server's certificate and key, as an administrator would have them."""

    certificate: Path
    key: Path
    authority: Authority

    @property
    def toml(self) -> str:
        """Both as keys of a configuration."""
        return f'certificate = "{self.certificate}"\nkey = "{self.key}"\n'


def server_files(folder: Path, name: str = "Test") -> ServerFiles:
    """Files for a server called localhost, from a new authority."""
    authority = Authority.make(folder, name)
    made = authority.ca.issue_cert("localhost", "127.0.0.1", "::1")
    files = ServerFiles(folder / f"{name.lower()}.pem", folder / f"{name.lower()}.key", authority)
    made.private_key_pem.write_to_path(files.key)
    for number, blob in enumerate(made.cert_chain_pems):
        blob.write_to_path(files.certificate, append=number > 0)
    return files
