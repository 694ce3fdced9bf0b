"""What an error of a managed identity's service means and what to do about it."""

from collections.abc import Sequence
from typing import Final

from relay.advice.aadsts import CODES
from relay.advice.table import read

_SAYS: Final = read("""
several C The machine has several identities.
    Write the Client ID of the one to use into accounts.NAME.oauth.managed_identity_client_id; it is on the identity's
    Overview page in the Azure portal.
none C The machine has no such managed identity.
    Switch on the machine's own under Security > Identity > System assigned (App Service: Settings > Identity), or add
    one under User assigned and write its Client ID into accounts.NAME.oauth.managed_identity_client_id.
resource C The identity's service does not know the resource.
    Correct accounts.NAME.oauth.scopes: https://outlook.office365.com/.default for SMTP,
    https://graph.microsoft.com/.default for Graph.
foreign C The service does not answer to this process.
    Run the relay on the machine itself or in its host's network; a container needs the platform's own identity.
strange C The service does not answer as one for managed identities does.
    Check what stands between the relay and that service, and the variables IDENTITY_ENDPOINT and MSI_ENDPOINT of the
    relay's environment.
later T The service is busy or not ready yet.
    Wait: the relay tries again by itself.
""")

# A part of what the services say, in lower case: there are no numbers.
_PARTS: Final = (
    ("multiple user assigned identities", "several"),
    ("identity not found", "none"),
    ("no managed identity found", "none"),
    ("unable to load the proper managed identity", "none"),
)
_ERRORS: Final = {"invalid_resource": "resource", "unknown_source": "foreign"}


def hint(error: str, codes: Sequence[int], description: str, *, account: str, temporary: bool = False) -> str:
    """The cause and the next step; "" when the AADSTS numbers in `codes` say more. `temporary`: waiting can help."""
    lower = description.lower()
    found = next((key for part, key in _PARTS if part in lower), "")
    if not found and any(code in CODES for code in codes):
        return ""
    known = found or _ERRORS.get(error) or ("later" if temporary else "strange")
    return str(_SAYS[known]).replace("NAME", account)


def unreachable(account: str, service: str) -> str:
    """What to do when `service` does not answer at all."""
    return (
        f"{service} does not answer: the grant managed_identity works only inside Azure (or with Azure Arc's agent). "
        f"Elsewhere use a certificate: accounts.{account}.oauth.private_key_file"
    )
