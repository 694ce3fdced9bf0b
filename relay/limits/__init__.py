"""How much is allowed in a time: towards providers (the pace of an identity) and from clients.

`window` counts, `pace` puts an identity's rates together, `ledger` writes them down; `tally` is a client's. `memory` is
what all mail that is under way holds of it.
"""

from relay.limits.ledger import Ledger
from relay.limits.memory import Memory
from relay.limits.pace import Pace
from relay.limits.tally import Tally

__all__ = ["Ledger", "Memory", "Pace", "Tally"]
