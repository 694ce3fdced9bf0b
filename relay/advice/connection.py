"""Why a server could not be reached or trusted, and the next step: texts that name the account's keys."""


def not_found(account: str, host: str) -> str:
    return f"Check accounts.{account}.host ({host}) for typing errors, and this machine's DNS"


def refused(account: str, port: int) -> str:
    return f"Nothing listens there, or a firewall refuses: check host and port of accounts.{account}{_port_note(port)}"


def unreachable(account: str, port: int) -> str:
    return f"Check this machine's network and firewall, and host and port of accounts.{account}{_port_note(port)}"


def silent(account: str, port: int, tls: str) -> str:
    """The server accepted the connection and said nothing."""
    if tls != "implicit" and port == 465:
        return f'Port 465 expects TLS from the first octet: set accounts.{account}.tls = "implicit"'
    return (
        f"The server is overloaded, or something between answers for it: try again, or check host and port of "
        f"accounts.{account}; connect_timeout is how long the relay waits"
    )


def no_smtp(account: str) -> str:
    """Something answered, but not in SMTP."""
    return f"Check host and port of accounts.{account}, and whether a proxy or virus scanner stands between"


def not_tls(account: str, tls: str) -> str:
    """The handshake found something that is not TLS, or no version that both sides speak."""
    if tls == "implicit":
        return (
            f"If the server speaks plain SMTP first (usual on ports 587 and 25), set accounts.{account}.tls = "
            '"starttls"; if its TLS is too old, replace it'
        )
    return f"The server and the relay have no TLS version in common: see accounts.{account}.min_tls and max_tls"


def no_starttls(account: str, tls: str) -> str:
    """The server does not offer what `tls` wants."""
    return (
        f'accounts.{account}.tls = "{tls}" wants STARTTLS, and the relay never goes on without it. Check host and '
        f"port, "
        "and that no firewall or virus scanner takes STARTTLS out of the server's answer"
    )


def untrusted(account: str) -> str:
    """The certificate's authority is not known."""
    return (
        "If the server is the right one and has a certificate of a private authority, save that authority's "
        "certificate "
        f"as a PEM file and name it in accounts.{account}.ca_file"
    )


def wrong_name(account: str, names: tuple[str, ...]) -> str:
    """The certificate is for other names: `names`, where they could be read."""
    example = f' (such as "{names[0]}")' if names else ""
    return (
        f"Write the server's own name as accounts.{account}.host, or, if the server is the right one, the "
        f"certificate's name{example} as accounts.{account}.server_name"
    )


def expired(account: str) -> str:
    """The certificate's time is over or has not come."""
    return (
        f"Check this machine's clock; otherwise who runs the server of accounts.{account} has to renew its certificate"
    )


def broken_off() -> str:
    """The connection was lost in the middle of a session."""
    return "The relay tries again by itself; if it stays so, look for a firewall or virus scanner between the two"


def mechanisms(account: str, credentials: str, *, nothing_offered: bool) -> str:
    """The server offers no way to log in that the account's credentials fit."""
    if nothing_offered:
        return f"Check host and port of accounts.{account}: submission servers offer AUTH on port 587 or 465"
    return f"Give accounts.{account} the kind of credentials that the server takes; this one has {credentials}"


def _port_note(port: int) -> str:
    if port != 25:
        return ""
    return ". Many networks block outgoing port 25: port 587 is for submission"
