-- The queue. Times are seconds since the epoch.

CREATE TABLE message (
    seq           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,       -- what the client was told, and what the log says
    kind          TEXT NOT NULL,              -- mail | report
    state         TEXT NOT NULL,              -- queued | active | sent | failed | held | corrupt
    reason        TEXT NOT NULL DEFAULT '',   -- why it waits, is held, or was set aside
    account       TEXT NOT NULL,
    priority      INTEGER NOT NULL DEFAULT 1, -- 0 high, 1 normal, 2 low
    sender        TEXT NOT NULL,              -- the reverse-path, '' for null
    eight_bit     INTEGER NOT NULL,
    smtputf8      INTEGER NOT NULL,
    origin        TEXT NOT NULL,              -- JSON: client, listener, peer, helo, login, tls
    message_id    TEXT NOT NULL DEFAULT '',   -- the app's own Message-ID
    subject       TEXT NOT NULL DEFAULT '',
    size          INTEGER NOT NULL,           -- octets of the whole message (RFC 1870)
    headers       BLOB,                       -- the header block, CRLF, without the empty line; NULL once done
    body          BLOB,                       -- a small body; NULL when it is in a file, or done
    body_file     INTEGER NOT NULL,           -- 1: the body is the file bodies/<id>
    body_size     INTEGER NOT NULL,
    body_dots     INTEGER NOT NULL,           -- lines that begin with a dot
    received_at   REAL NOT NULL,
    expires_at    REAL NOT NULL,
    next_at       REAL NOT NULL,              -- due from then on; for an active one: when a crash lets it be due again
    attempts      INTEGER NOT NULL DEFAULT 0,
    fence         INTEGER NOT NULL DEFAULT 0, -- grows with each claim: a result under an old number is not taken
    lease_until   REAL NOT NULL DEFAULT 0,
    done_at       REAL,
    reported      INTEGER NOT NULL DEFAULT 0  -- the client itself has heard of the failure
) STRICT;

-- Each index costs every message: one serves the claim, the next due time and the expiry.
CREATE INDEX message_due ON message (account, priority, next_at, seq, expires_at) WHERE state = 'queued';
CREATE INDEX message_lease ON message (lease_until) WHERE state = 'active';
CREATE INDEX message_held ON message (expires_at) WHERE state = 'held';
CREATE INDEX message_done ON message (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE recipient (
    message       INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    address       TEXT NOT NULL,
    state         TEXT NOT NULL,              -- pending | sent | failed
    code          INTEGER NOT NULL DEFAULT 0,
    status        TEXT NOT NULL DEFAULT '',
    text          TEXT NOT NULL DEFAULT '',
    hint          TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (message, position)
) STRICT, WITHOUT ROWID;

-- What went wrong on the way: an attempt after which all is sent is told by its message and recipients.
CREATE TABLE attempt (
    message       INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    fence         INTEGER NOT NULL,           -- the claim's
    number        INTEGER NOT NULL,           -- counts from 1; one that was given back has the next one's number
    started_at    REAL NOT NULL,
    ended_at      REAL NOT NULL,
    results       TEXT NOT NULL,              -- JSON: recipient -> outcome, code, status, text
    PRIMARY KEY (message, fence)
) STRICT, WITHOUT ROWID;
