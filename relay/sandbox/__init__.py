"""A stand-in for Microsoft and Google: token endpoints, SMTP submission, Graph and the Gmail API, without a tenant.

It speaks as the real services do - wire formats, limits, wording - keeps what it takes, and breaks by order. It shares
no code with the relay that it is there to check. One idea a file: the services are `entra.py`, `exchange.py` and
`graph.py`; another provider is another `SmtpSession`, another set of routes, and a line in `stand_in.py`.
"""

from relay.sandbox.ca import CertificateAuthority
from relay.sandbox.faults import Fault, FaultError, Faults, Order
from relay.sandbox.federation import FederatedCredential
from relay.sandbox.received import Received, ReceivedList
from relay.sandbox.settings import SandboxSettings, ServiceAccount
from relay.sandbox.stand_in import Sandbox

__all__ = [
    "CertificateAuthority",
    "Fault",
    "FaultError",
    "Faults",
    "FederatedCredential",
    "Order",
    "Received",
    "ReceivedList",
    "Sandbox",
    "SandboxSettings",
    "ServiceAccount",
]
