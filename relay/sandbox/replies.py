"""The occasions on which an SMTP server speaks, to be filled with a provider's words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """A provider's words: one reply for each occasion."""

    unknown_command: str
    line_too_long: str
    bad_arguments: str
    bad_parameter: str
    bad_sender: str
    bad_recipient: str
    hello_first: str
    sender_already: str
    mail_first: str
    rcpt_first: str
    sender_ok: str
    recipient_ok: str
    too_many_recipients: str
    too_large: str
    start_input: str
    no_binary_data: str
    chunk_ok: str
    start_tls: str
    already_tls: str
    auth_unknown: str
    auth_already: str
    auth_cancelled: str
    service_closing: str
    reset: str
    noop: str
    verify: str
    help: str
    bye: str
