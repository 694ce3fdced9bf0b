"""Live diagnosis of accounts: goes their whole way and says at each step what was found and what to do.

A library: `diagnose` and `examine_token` return values, which the command line is one way to show. `sending` sends a
message; everything else sends nothing.
"""

from relay.doctor.examine import diagnose, diagnose_relay
from relay.doctor.report import Report, State, Step
from relay.doctor.sending import send_test
from relay.doctor.tokens import TokenFacts, examine_token, has_token_of_its_own, try_a_mailbox
from relay.doctor.trial import trial_of

__all__ = [
    "Report",
    "State",
    "Step",
    "TokenFacts",
    "diagnose",
    "diagnose_relay",
    "examine_token",
    "has_token_of_its_own",
    "send_test",
    "trial_of",
    "try_a_mailbox",
]
