"""What a checked configuration means, in words: the text of `relay check`. Never a secret's value."""

import shlex
from collections.abc import Iterator

from relay.config.queue_size import show_queue_size
from relay.config.rates import show_rate
from relay.config.secret import Secret
from relay.config.settings import Account, Client, Listener, OAuth, Queue, Settings
from relay.config.units import show_day, show_duration, show_size
from relay.log import clean


def describe(settings: Settings, *, now: float = 0.0) -> list[str]:
    """What will run, line by line: listeners, clients, accounts, the queue, the page, then the warnings.

    `now` is the time, in seconds since the epoch: what has ended by then is warned of.
    """
    lines = [f"configuration: {settings.source or 'built-in defaults (no file)'}"]
    further = [path for path in settings.read_from[1:] if not path.is_dir()]
    lines += [*(f"  and {path}" for path in further), f"hostname: {settings.hostname}"]
    for name, listener in settings.listeners.items():
        lines += ["", *_listener(name, listener, settings)]
    for name, client in settings.clients.items():
        lines += ["", *_client(name, client, settings)]
    for name, account in settings.accounts.items():
        lines += ["", *_account(name, account, settings)]
    lines += ["", *_queue(settings), *_rest(settings)]
    warnings = [*settings.warnings, *_ended(settings, now)]
    return [clean(line) for line in [*lines, *(f"warning: {text}" for text in warnings)]]


def _ended(settings: Settings, now: float) -> Iterator[str]:
    """The client secrets whose last day is over."""
    for name, account in settings.accounts.items():
        ends = account.oauth.client_secret_expires if account.oauth else None
        if ends is not None and ends <= now:
            key = f"accounts.{name}.oauth.client_secret_expires"
            yield f"{key}: the secret has ended on {show_day(ends)}: make a new one, and write its day here"


_ENCRYPTION = {
    "off": "no TLS",
    "starttls": "STARTTLS",
    "implicit": "TLS from the first byte",
    "auto": "TLS from the first byte, or STARTTLS",
}


def _listener(name: str, listener: Listener, settings: Settings) -> list[str]:
    encryption = _ENCRYPTION[listener.tls]
    if listener.tls != "off":
        encryption += f" {listener.min_tls} or newer, certificate {listener.certificate}"
    if listener.client_ca:
        encryption += f", client certificates of {listener.client_ca}"
    if listener.profile == "legacy":
        encryption += ", for old devices (profile legacy)"
    if listener.proxy_protocol:
        encryption += f", PROXY protocol from {', '.join(map(str, listener.proxy_protocol))}"
    users = settings.reaches(name)
    login = any(settings.clients[user].has_login or settings.clients[user].any_login for user in users)
    auth = _auth(listener) if login else ""
    return [
        f"listener {name}: {', '.join(map(_bind, listener.bind))}",
        f"  {encryption}{auth}",
        *_cram_md5([settings.clients[user] for user in users]),
        f"  messages up to {show_size(listener.max_message_size)}, {listener.max_recipients} recipients",
        f"  may be used by: {', '.join(users) or 'nobody'}",
    ]


def _auth(listener: Listener) -> str:
    if listener.tls == "implicit" or listener.require_tls:
        return ", logins only under TLS"
    if listener.tls in ("starttls", "auto"):
        return ", logins with or without TLS"
    here = all(bind.loopback for bind in listener.bind)
    return ", logins stay on this machine" if here else ", logins are readable on the way"


def _cram_md5(users: list[Client]) -> list[str]:
    """Whether CRAM-MD5 is offered, or why not where somebody may expect it."""
    plain = [user.password is not None for user in users if user.has_login and not user.issuer]
    if not any(plain):
        return []
    if all(plain):
        return ["  CRAM-MD5 is offered too, as every password is stored plain"]
    return ["  no CRAM-MD5: it needs every password stored plain (password), and some are hashes"]


def _bind(bind: object) -> str:
    return f"{bind} (if the machine has it)" if getattr(bind, "optional", False) else str(bind)


def _client(name: str, client: Client, settings: Settings) -> list[str]:
    built_in = " (built in)" if client.any_login else ""
    lines = [
        f"client {name}{built_in}: {_recognised(client)}",
        f"  sends through {_ways(client)}, as {_senders(client)}, to {_patterns(client.recipients)}",
        f"  hears 250 when the message is {client.reply}",
    ]
    if client.priority != "normal":
        lines.append(f"  {client.priority} priority")
    if client.rate or client.recipient_rate:
        each = [f"{show_rate(rate)} to each recipient" for rate in client.recipient_rate]
        above = "waits" if client.over_rate == "hold" else "is refused"
        lines.append(f"  {', '.join([*map(show_rate, client.rate), *each])}; what is above {above}")
    if client.sender != "keep":
        own = [settings.accounts[name].own_address or "" for name in client.uses]
        address = "the user's mailbox" if client.authenticate is not None else " or ".join(filter(None, own))
        when = "always" if client.sender == "force" else "when the app's own is not allowed"
        lines.append(f"  sender is rewritten to {address} {when}")
    if client.redirect_to:
        lines.append(f"  all of it goes to {client.redirect_to} instead of to its recipients")
    return lines


def _ways(client: Client) -> str:
    if not client.accounts:
        return f"account {client.account}"
    return f"the first of {', '.join(client.accounts)} that is for it"


def _recognised(client: Client) -> str:
    networks = ", ".join(map(str, client.networks))
    if client.any_login:
        return f"anyone at {networks}, any user and password or none"
    if client.authenticate is not None:
        where = f", only from {networks}" if networks else ""
        return f"by the user names and passwords of mailboxes, checked by the provider of {client.account}{where}"
    if client.issuer is not None:
        who = f'the user "{client.login}" ({client.user_claim})' if client.login else "any user"
        where = f", only from {networks}" if networks else ""
        return f"by an access token of {client.issuer} for {client.audience}, {who}{where}"
    if client.certificate_subject:
        where = f", only from {networks}" if networks else ""
        return f'by a TLS certificate for "{client.certificate_subject}"{where}'
    if client.htpasswd_file and client.login is None:
        return f"by the logins in {client.htpasswd_file}" + (f", only from {networks}" if networks else "")
    if not client.has_login:
        return f"without login, by its address: {networks}"
    secret = client.password_hash or client.password
    what = "password hash" if client.password_hash else "password"
    kept = f"in {client.htpasswd_file}" if client.htpasswd_file else f"{what} {_masked(secret)}"
    return f'by login "{client.login}", {kept}' + (f", only from {networks}" if networks else "")


def _senders(client: Client) -> str:
    return _patterns(client.senders) or "the mailbox of the user who has logged in"


def _patterns(patterns: tuple[str, ...]) -> str:
    return "anyone" if "*" in patterns else ", ".join(patterns)


def _account(name: str, account: Account, settings: Settings) -> list[str]:
    users = [user for user, client in settings.clients.items() if name in client.uses]
    users += [f"{other} (fallback)" for other, one in settings.accounts.items() if one.fallback == name]
    lines = [f"account {name}: {_way(account)}"]
    if account.mailbox:
        lines.append("  as the mailbox of whoever sends" if account.acts_as_sender else f"  mailbox {account.mailbox}")
    if account.oauth:
        oauth = account.oauth
        lines.append(f"  token from {oauth.origin} for {_scopes(account, oauth)} ({oauth.grant})")
        lines.append(f"  {_proof(oauth)}")
        if account.password:
            lines.append(f"  as the user {account.username}, password {_masked(account.password)}")
    elif account.password:
        lines.append(f"  login {account.username}, password {_masked(account.password)}")
    if account.senders or account.recipients:
        parts = [
            f"from {_patterns(account.senders)}" if account.senders else "",
            f"to {_patterns(account.recipients)}" if account.recipients else "",
        ]
        lines.append(f"  for mail {' '.join(filter(None, parts))}, where a client has several accounts")
    if account.fallback:
        lines.append(f"  while it is in trouble, its mail goes through {account.fallback}")
    pace = [f"{account.concurrency} at a time"] if account.is_real else []
    if pace := [*pace, *map(show_rate, account.rate)]:
        lines.append(f"  {', '.join(pace)}")
    return [*lines, f"  used by: {', '.join(users) or 'nobody'}"]


def _scopes(account: Account, oauth: OAuth) -> str:
    """What tokens are asked for: once for all ways, or for each."""
    asked = dict.fromkeys(" ".join(oauth.for_way(way).scopes) or "no scope" for way in account.via)
    return " or ".join(asked)


def _proof(oauth: OAuth) -> str:
    """Who asks for tokens, and how it proves that."""
    if oauth.grant == "jwt_bearer":
        return f"for {oauth.subject or 'whoever sends'}, with the service account in {oauth.private_key_file}"
    if oauth.grant == "managed_identity":
        return f"as the identity {oauth.managed_identity_client_id or 'that the machine has'}"
    return f"client_id {_masked(oauth.client_id)}, {_client_proof(oauth)}"


def _client_proof(oauth: OAuth) -> str:
    if oauth.token_endpoint_auth_method == "private_key_jwt":  # noqa: S105 (a name)
        if oauth.federated_token_file:
            return f"with the token in {oauth.federated_token_file}"
        return f"signing with the key in {oauth.private_key_file}"
    if oauth.token_endpoint_auth_method == "none":  # noqa: S105 (a name)
        return "which needs no proof"
    where = f" in the header {oauth.client_secret_header}" if oauth.client_secret_header else ""
    following = f", or client_secret_next {_masked(oauth.client_secret_next)}" if oauth.client_secret_next else ""
    ends = f", ends on {show_day(oauth.client_secret_expires)}" if oauth.client_secret_expires else ""
    return f"client_secret {_masked(oauth.client_secret)}{following}{where}{ends}"


def _way(account: Account) -> str:
    if account.provider == "sink":
        return "sink: keeps mail here, sends nothing"
    if account.provider == "discard":
        return "discard: accepts mail and throws it away"
    if account.provider == "fail":
        return "fail: refuses every message"
    ways = ", else ".join(_one_way(way, account) for way in account.via)
    return f"{account.provider}, {ways}"


def _one_way(way: str, account: Account) -> str:
    if way == "graph":
        copies = "" if account.save_to_sent else " (keeping no copy)"
        return f"by Microsoft Graph at {account.mail_endpoint}{copies}"
    if way == "gmail-api":
        return f"by the Gmail API at {account.mail_endpoint}"
    versions = f"TLS {account.min_tls}" + (" or newer" if account.min_tls < account.max_tls else "")
    encryption = {
        "starttls": f"STARTTLS, {versions}",
        "implicit": f"{versions} from the first byte",
        "opportunistic": "TLS where the server offers it, unverified",
        "off": "no TLS",
    }[account.tls]
    return f"by SMTP to {account.host}:{account.port} ({encryption})"


def _masked(secret: Secret | None) -> str:
    return "none" if secret is None else f"*** ({secret.origin})"


def _queue(settings: Settings) -> list[str]:
    queue = settings.queue
    waits = ", ".join(map(show_duration, queue.retry))
    return [
        f"queue: sqlite:///{settings.database_file}",
        f"  tried again after {waits}, then at the last interval; given up after {show_duration(queue.max_age)}",
        f"  kept: sent {show_duration(queue.keep_sent)}, failed {show_duration(queue.keep_failed)}",
        f"  {_room(queue)}",
        f"  {_reports(queue)}",
    ]


def _room(queue: Queue) -> str:
    """When new mail is refused."""
    most = show_queue_size(queue.max_size)
    size = most if isinstance(most, str) else " or ".join(most)
    disk = f" and while less than {show_size(queue.min_free_disk)} of its disk are free" if queue.min_free_disk else ""
    return f"new mail is refused above {size}{disk}; {show_size(queue.max_bytes_in_memory)} of mail in memory"


def _reports(queue: Queue) -> str:
    """Who hears of mail that was not delivered."""
    if queue.bounces == "off":
        return "nobody is told of mail that was not delivered"
    operator = queue.bounce_to or "nobody (bounce_to is not set)"
    reader = (
        operator if queue.bounces == "operator" else f"its sender, where a client may use that address; else {operator}"
    )
    late = f", and after {show_duration(queue.delay_warning)} of delays" if queue.delay_warning else ""
    way = f", through account {queue.bounce_account}" if queue.bounce_account else ""
    return f"told of mail that was not delivered{late}: {reader}{way}"


def _sink(settings: Settings) -> list[str]:
    kept = settings.sink
    age = f", for {show_duration(kept.max_age)}" if kept.max_age else ""
    open_to = "this machine only" if any(one.is_real for one in settings.accounts.values()) else "whoever reaches it"
    api = "with a password" if settings.web.sink_password_hash else f"open to {open_to}"
    return [
        f"sink: keeps the newest {kept.keep} messages, {show_size(kept.max_bytes)} of them{age}; its API is {api}",
        f"  caught mail may be sent on to {', '.join(kept.release_to) or 'nobody'}",
    ]


def _rest(settings: Settings) -> list[str]:
    scheme = "https" if settings.web.certificate else "http"
    pages = ", ".join(f"{scheme}://{bind}{settings.web.base_path}" for bind in settings.web.bind) or "off"
    lines = [f"page: {pages}"]
    if any(account.provider == "sink" for account in settings.accounts.values()):
        lines += _sink(settings)
    if settings.http.proxy:
        lines.append(f"proxy: {_masked(settings.http.proxy)}")
    if settings.store.key:
        lines.append(f"stored tokens are sealed with the key {_masked(settings.store.key)}")
    where = settings.log.file or "standard error"
    if settings.alerts.webhook:
        lines.append(f"alerts are posted to the webhook {_masked(settings.alerts.webhook)}")
    if settings.alerts.command:
        lines.append(f"alerts start {shlex.join(settings.alerts.command)}")
    return [*lines, f"log: {settings.log.format} from {settings.log.level} to {where}"]
