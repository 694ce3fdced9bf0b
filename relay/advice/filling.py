"""Advice with what is known of the account in its places."""

import re

_REDIRECTED = "Something redirects the request: check accounts.NAME.mail_endpoint, and [http] proxy"


def filled(advice: str, mailbox: str, account: str) -> str:
    """`advice` with what is known in the places of MAILBOX and NAME."""
    advice = advice.replace("MAILBOX", mailbox) if mailbox else advice
    return re.sub(r"(accounts\.|doctor )NAME", rf"\g<1>{account}", advice) if account else advice


def redirected(http_status: int) -> str:
    """The advice for an answer of a mail API that sends the relay elsewhere; "" for any other."""
    return _REDIRECTED if 300 <= http_status < 400 else ""
