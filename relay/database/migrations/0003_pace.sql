-- What each identity has sent lately, so that its rates hold across restarts. Times are seconds since the epoch.

CREATE TABLE pace (
    identity      TEXT NOT NULL,
    unit          TEXT NOT NULL,              -- messages | recipients
    seconds       REAL NOT NULL,              -- the length of the rate's window
    began_at      REAL NOT NULL,              -- a piece of that window: its first message,
    ended_at      REAL NOT NULL,              -- its last,
    amount        INTEGER NOT NULL,           -- and how much was sent
    PRIMARY KEY (identity, unit, seconds, began_at)
) STRICT, WITHOUT ROWID;

-- An attempt whose end nobody knows: the message may have been taken, so it is given to no other account.
ALTER TABLE message ADD COLUMN uncertain INTEGER NOT NULL DEFAULT 0;
