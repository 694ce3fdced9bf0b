"""Which service of this machine hands out the tokens of a managed identity, and how it is asked. Pure but for a look
whether Azure Arc's agent is installed.

The order is that of Microsoft's own libraries: the more special place first, and the metadata service of virtual
machines when nothing else shows.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

IMDS = "http://169.254.169.254"
_IMDS_PATH = "/metadata/identity/oauth2/token"
_ARC = "http://localhost:40342/metadata/identity/oauth2/token"


@dataclass(frozen=True, slots=True)
class Service:
    """One such service. `client_id` is its name for the parameter that chooses an identity, "" where there is one only.

    `challenges` says that it first refuses and names a file whose content is the password.
    """

    name: str
    url: str
    version: str
    headers: Mapping[str, str] = field(repr=False)
    client_id: str = "client_id"
    challenges: bool = False

    def address(self, resource: str, client_id: str | None) -> str:
        """What to ask for a token on `resource`, as the identity `client_id` or as the only one."""
        query = {"api-version": self.version, "resource": resource}
        if client_id is not None and self.client_id:
            query[self.client_id] = client_id
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class Arc:
    """Where Azure Arc's agent is, and the folder that holds its passwords."""

    agent: Path
    tokens: Path

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> "Arc":
        """As it is installed on this machine, if it is."""
        if sys.platform == "win32":
            programs = Path(environ.get("ProgramFiles", r"C:\Program Files"))
            data = Path(environ.get("ProgramData", r"C:\ProgramData"))
            folder = "AzureConnectedMachineAgent"
            return cls(programs / folder / "himds.exe", data / folder / "Tokens")
        return cls(Path("/opt/azcmagent/bin/himds"), Path("/var/opt/azcmagent/tokens"))


class UnsupportedError(Exception):
    """The place is known, but the relay cannot ask there; the text says what to do."""


def service(environ: Mapping[str, str], arc: Arc) -> Service:
    """The service of the place that `environ` tells of. Raises UnsupportedError."""
    endpoint, header = environ.get("IDENTITY_ENDPOINT"), environ.get("IDENTITY_HEADER")
    if endpoint and header:
        if environ.get("IDENTITY_SERVER_THUMBPRINT"):
            raise UnsupportedError("Service Fabric is not supported: use a certificate (private_key_file) in its place")
        return Service("App Service", endpoint, "2019-08-01", {"x-identity-header": header})
    old, secret = environ.get("MSI_ENDPOINT"), environ.get("MSI_SECRET")
    if old and secret:
        return Service("Azure ML", old, "2017-09-01", {"secret": secret}, "clientid")
    metadata = {"metadata": "true"}
    if (endpoint and environ.get("IMDS_ENDPOINT")) or arc.agent.exists():
        return Service("Azure Arc", endpoint or _ARC, "2020-06-01", metadata, "", challenges=True)
    host = (environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or IMDS).rstrip("/")
    return Service("Azure's metadata service", f"{host}{_IMDS_PATH}", "2018-02-01", metadata)
