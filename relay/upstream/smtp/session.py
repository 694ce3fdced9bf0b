"""From an account to a session that is ready for mail: connected and, where the account has credentials, logged in."""

from relay import log
from relay.advice import connection as advice
from relay.config import Account, SecretError
from relay.model import Clock, Scope
from relay.oauth import Token, TokenError, TokenSource
from relay.upstream.credentials import without_token
from relay.upstream.replies import Stage, token_may_be_stale
from relay.upstream.smtp import auth
from relay.upstream.smtp.connect import Connector
from relay.upstream.smtp.connection import Connection
from relay.upstream.smtp.reply import Reply
from relay.upstream.smtp.wire import BrokenError
from relay.upstream.trouble import AttemptError, Trace, deferred


class Sessions:
    """Opens sessions for one account."""

    def __init__(self, name: str, account: Account, tokens: TokenSource | None, hostname: str, clock: Clock) -> None:
        self.connector = Connector(name, account, hostname, clock)
        self._name = name
        self._account = account
        self._tokens = tokens
        self._user = account.username or account.mailbox or ""

    async def open(self, trace: Trace | None) -> Connection:
        """A session that takes MAIL next. Raises AttemptError."""
        if self._tokens is not None:
            return await self._open_by_token(self._tokens, trace)
        if self._account.password is not None:
            return await self._open_by_password(trace)
        return await self.connector.open(trace)

    async def _open_by_token(self, tokens: TokenSource, trace: Trace | None) -> Connection:
        """Log in; a refusal that the token may have caused is answered by one fresh token on a new connection."""
        self._need_tls()
        token = await self._token(tokens, None)
        connection, refusal = await self._try_token(token, trace)
        if refusal is None:
            return connection
        if not token_may_be_stale(refusal.code, refusal.status, refusal.text):
            raise AttemptError(self.connector.judge(Stage.AUTH, refusal))
        fresh = await self._token(tokens, token)
        if fresh.value == token.value:  # it was made anew a moment ago, and is not to blame
            raise AttemptError(self.connector.judge(Stage.AUTH, refusal))
        _say(trace, "(trying once more with a fresh token)")
        connection, refusal = await self._try_token(fresh, trace)
        if refusal is None:
            return connection
        raise AttemptError(self.connector.judge(Stage.AUTH, refusal))

    async def _token(self, tokens: TokenSource, rejected: Token | None) -> Token:
        try:
            return await tokens.get() if rejected is None else await tokens.replace(rejected)
        except TokenError as error:
            raise AttemptError(without_token(error)) from None

    async def _try_token(self, token: Token, trace: Trace | None) -> tuple[Connection, Reply | None]:
        """The connection, and the server's refusal if it refused; the connection is closed then."""
        connection = await self.connector.open(trace)
        try:
            self._need_mechanism(connection, ("XOAUTH2",), "an OAuth token")
            user = self._user or token.user
            return connection, await self._log_in(connection, "XOAUTH2", user, token.value, trace)
        except BaseException:
            connection.abort("login not finished")
            raise

    async def _open_by_password(self, trace: Trace | None) -> Connection:
        self._need_tls()
        password = self._password()
        connection = await self.connector.open(trace)
        try:
            self._need_mechanism(connection, ("PLAIN", "LOGIN"), "a user name and a password")
            refusal = await self._log_in(connection, "password", self._user, password, trace)
        except BaseException:
            connection.abort("login not finished")
            raise
        if refusal is not None:
            raise AttemptError(self.connector.judge(Stage.AUTH, refusal))
        return connection

    async def _log_in(
        self, connection: Connection, mechanism: str, user: str, secret: str, trace: Trace | None
    ) -> Reply | None:
        exchange = auth.by_token if mechanism == "XOAUTH2" else auth.by_password
        try:
            reply = await exchange(connection, user, secret, self._account.timeout, trace)
        except BrokenError as error:
            raise deferred(f"{self.connector.where}: {error} (at AUTH)", advice.broken_off()) from None
        except auth.CredentialError as error:
            hint = f"Check username and the credentials of accounts.{self._name}"
            raise deferred(f"accounts.{self._name}: {error}", hint, code=454, status="4.7.0") from None
        if reply.code // 100 == 2:
            log.upstream.authenticated(self._name, user, mechanism)
            return None
        log.upstream.refused_login(self._name, user, str(reply))
        await connection.quit()
        return reply

    def _need_tls(self) -> None:
        """Promise 5: no token and no password without a verified server."""
        tls = self._account.tls
        if tls not in ("starttls", "implicit"):
            text = f'accounts.{self._name}.tls = "{tls}": credentials are never sent without verified TLS'
            raise deferred(text, 'Set tls = "starttls" or "implicit"', code=454, status="4.7.0")

    def _need_mechanism(self, connection: Connection, wanted: tuple[str, ...], credentials: str) -> None:
        offered = connection.mechanisms
        if not any(mechanism in offered for mechanism in wanted):
            text = (
                f"{self.connector.where} does not offer AUTH {' or '.join(wanted)}, only {' '.join(offered) or 'none'}"
            )
            hint = advice.mechanisms(self._name, credentials, nothing_offered=not offered)
            raise deferred(text, hint, code=454, status="4.7.0")

    def _password(self) -> str:
        password = self._account.password
        try:
            return password.read() if password is not None else ""
        except SecretError as error:
            text = f"accounts.{self._name}.password: {error}"
            raise deferred(text, "", scope=Scope.ACCOUNT, code=454, status="4.7.0") from None


def _say(trace: Trace | None, line: str) -> None:
    if trace is not None:
        trace(line)
