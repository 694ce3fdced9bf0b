"""What a client asked to be told, passed on to a server that offers DSN (RFC 3461 5.2.1): unchanged."""

from relay.model import DsnWishes


def mail_parameters(wishes: DsnWishes) -> list[str]:
    """The parameters of MAIL."""
    return [f"{name}={value}" for name, value in (("RET", wishes.ret), ("ENVID", wishes.envid)) if value]


def rcpt_parameters(wishes: DsnWishes, recipient: str) -> list[str]:
    """The parameters of RCPT. An address beyond ASCII in ORCPT is left out: not every server has RFC 6533."""
    notify, orcpt = wishes.notify.get(recipient, ""), wishes.orcpt.get(recipient, "")
    return [f"{name}={value}" for name, value in (("NOTIFY", notify), ("ORCPT", orcpt)) if value and value.isascii()]
