"""Who may send what, as whom, to whom, and through which account: decided from values alone, with no I/O."""

from relay.policy.clients import ClientPolicy
from relay.policy.networks import comes_from, is_loopback
from relay.policy.rules import Policy
from relay.policy.sizes import SizeLimit
from relay.policy.verdicts import Decision, Refusal, shown

__all__ = ["ClientPolicy", "Decision", "Policy", "Refusal", "SizeLimit", "comes_from", "is_loopback", "shown"]
