"""What the queue remembers of an account's trouble. The database is only looked at: none is made, none is changed."""

from dataclasses import dataclass
from typing import Any

from relay.config import Settings
from relay.database import StorageError
from relay.database.sqlite import SqliteDatabase
from relay.doctor.report import State, Step
from relay.log import moment
from relay.spool import trouble
from relay.spool.trouble import LastTrouble

NAME = "last_error"


@dataclass(frozen=True, slots=True)
class Trouble:
    """The last error of an account, or why the queue could not be asked for it."""

    last: LastTrouble | None = None
    unreadable: str = ""

    def as_json(self) -> dict[str, Any] | None:
        """The error as JSON has it; null when there was none."""
        if self.last is None:
            return {"unreadable": self.unreadable} if self.unreadable else None
        last = self.last
        return {
            "at": last.at,
            "over": last.over,
            "message": last.id,
            "state": last.state,
            "sender": last.sender,
            "recipient": last.recipient,
            "reply": last.reply,
            "hint": last.hint,
        }

    def step(self) -> Step:
        """The error as a finding. What was refused for good and has a known remedy is somebody's to mend."""
        if self.unreadable:
            return Step(NAME, State.SKIPPED, f"the queue cannot be read: {self.unreadable}")
        last = self.last
        if last is None:
            return Step(NAME, State.OK, "no error is kept in the queue")
        text = f"{moment(last.at)}, message {last.id} from <{last.sender}> to <{last.recipient}>: {last.reply}"
        if last.over:
            return Step(NAME, State.OK, f"mail has gone out since the last error ({text})")
        mendable = last.outcome == "failed" and last.hint
        return Step(NAME, State.FAIL if mendable else State.WARN, text, last.hint)


async def last_trouble(settings: Settings, name: str) -> Trouble:
    """The last error that the queue keeps of account `name`."""
    file = settings.database_file
    try:
        if not file.exists():
            return Trouble()
        database = SqliteDatabase(file, migrate=False)
    except (StorageError, OSError) as error:
        return Trouble(unreadable=str(error))
    try:
        return Trouble(await database.read(lambda connection: trouble.last_trouble(connection, name)))
    except StorageError as error:
        return Trouble(unreadable=str(error))
    finally:
        await database.close()
