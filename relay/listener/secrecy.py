"""Whether others could read what a client sends: then passwords of mailboxes and tokens are not even looked at."""

from relay.listener.visitor import VisitorSession
from relay.policy import is_loopback

ENCRYPT_FIRST = "538 5.7.11 Encryption required for authentication: issue STARTTLS first"


def may_be_read(session: VisitorSession) -> bool:
    """Whether there is no TLS between here and a client on another machine, whatever `require_tls` says."""
    return not (session.tls or is_loopback(session.peer))
