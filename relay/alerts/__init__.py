"""Alerts: says in time that mail is about to stop, and soon after that it has stopped.

`deadlines` knows when secrets, certificates and sign-ins run out, `radar` looks at them and at what is in trouble,
`outbox` remembers what was said, `channels` carry it to people: a web address and a program, because the mail itself
may be what is broken. Whatever happens here, no mail waits for it.
"""

from relay.alerts.alert import Alert, Level
from relay.alerts.deadlines import Deadline, Deadlines, signed_in_until
from relay.alerts.radar import Radar

__all__ = ["Alert", "Deadline", "Deadlines", "Level", "Radar", "signed_in_until"]
