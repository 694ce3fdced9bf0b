"""Header blocks of mail: read them, find the addresses in them, and change the few fields that must change.

Octets in, octets out: what an app wrote leaves as it came, down to folding, case and trailing spaces, except for the
fields that `prepare`, `edit_sender`, `label_charset` and `redirect` name. `parts` finds the parts of a body, and
`recoding` makes the one change to a body that there is, for upstreams that would damage it. Reading errs on the side of
the sender check: what any program on the way could take for a `From` is one here.
"""

from relay.mime.address import Mailbox, addresses, canonical, mailboxes
from relay.mime.charset import label_charset
from relay.mime.facts import hop_count, looks_signed, message_id, needs_smtputf8, subject
from relay.mime.header import Header, split_headers
from relay.mime.outgoing import Hop, prepare, received, without
from relay.mime.redirect import redirect
from relay.mime.sender import SenderEdit, edit_sender

__all__ = [
    "Header",
    "Hop",
    "Mailbox",
    "SenderEdit",
    "addresses",
    "canonical",
    "edit_sender",
    "hop_count",
    "label_charset",
    "looks_signed",
    "mailboxes",
    "message_id",
    "needs_smtputf8",
    "prepare",
    "received",
    "redirect",
    "split_headers",
    "subject",
    "without",
]
