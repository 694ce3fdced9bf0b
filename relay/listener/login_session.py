"""The command AUTH in a session: an exchange of lines that are no commands, and what it leaves behind."""

from typing import TYPE_CHECKING

from relay.listener import login, secrecy
from relay.listener.reception import Parts
from relay.listener.tls import ServerTls
from relay.listener.visitor import VisitorSession

if TYPE_CHECKING:
    from relay.listener import Server


class LoginSession(VisitorSession):
    """A session in which a client may log in."""

    def __init__(
        self, server: "Server", parts: Parts, tls: ServerTls | None, peername: tuple[str, int] | None = None
    ) -> None:
        super().__init__(server, parts, tls, peername)
        self._dialogue: login.Dialogue | None = None
        """An AUTH exchange: the next line is not a command."""

    def obey(self, line: bytes) -> None:
        if self.conversation is not None or self._transcript is not None:
            self.note(line, in_auth=self._dialogue is not None)
        if refusal := self.ill_formed(line):
            if self._dialogue is not None:
                self._begin_login()
            self._dialogue = None
            self.not_understood(refusal, line)
        elif self._dialogue is None:
            super().obey(line)
        else:
            self._dialogue_goes_on(line)

    def smtp_AUTH(self, arg: str) -> None:
        refusal = login.not_now(self, self._parts)
        if refusal:
            self.login_refused = self.login_refused or refusal == secrecy.ENCRYPT_FIRST
            self.push(refusal)
            return
        self._dialogue = login.dialogue(arg, self._parts)
        self._dialogue_goes_on(None)

    def ask(self, dialogue: login.Dialogue) -> None:
        """Go on with an exchange that has more to say."""
        self._dialogue = dialogue
        self._dialogue_goes_on(None)

    def _dialogue_goes_on(self, line: bytes | None) -> None:
        """Hand the client's line to the AUTH exchange, and its next prompt or its outcome to the client."""
        dialogue, self._dialogue = self._dialogue, None
        assert dialogue is not None  # noqa: S101 (obey() asks)
        try:
            self.push(next(dialogue) if line is None else dialogue.send(line))
        except StopIteration as ended:
            self._begin_login()
            login.decide(self, self._parts, ended.value)
        except login.Refused as refused:
            if line != b"*":  # who gives it up himself has not been refused
                self._begin_login()
            self.push(str(refused))
        else:
            self._dialogue = dialogue

    def _begin_login(self) -> None:
        """Whatever comes of it: nobody goes on without the login that he has asked for, unless it succeeds."""
        self.login_refused, self.login_later = True, False
