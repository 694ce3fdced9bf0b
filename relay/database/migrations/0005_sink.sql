-- What sink accounts caught. Times are seconds since the epoch. What a list or a search looks at is apart from what is
-- large, so that neither has to read past the mail itself.

CREATE TABLE caught (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,        -- the queue's: what the client was told at the end of its data
    account     TEXT NOT NULL,
    received_at REAL NOT NULL,
    size        INTEGER NOT NULL,            -- octets of the source as it is shown
    sender      TEXT NOT NULL,               -- the reverse-path, '' for null
    recipients  TEXT NOT NULL,               -- JSON: the envelope's
    eight_bit   INTEGER NOT NULL,
    smtputf8    INTEGER NOT NULL,
    origin      TEXT NOT NULL,               -- JSON object: client, listener, peer, helo, login, tls, ...
    is_read     INTEGER NOT NULL DEFAULT 0,
    parsed      INTEGER NOT NULL DEFAULT 0,  -- 0: nobody has looked into it yet; what follows is empty
    facts       TEXT NOT NULL DEFAULT '{}',  -- JSON: what a list shows of its header fields and parts
    warnings    TEXT NOT NULL DEFAULT '[]',  -- JSON: what is odd about it
    attachments INTEGER NOT NULL DEFAULT 0,
    inlines     INTEGER NOT NULL DEFAULT 0,
    from_text   TEXT NOT NULL DEFAULT '',    -- for the search, casefolded: name <address>, one a line
    to_text     TEXT NOT NULL DEFAULT '',
    cc_text     TEXT NOT NULL DEFAULT '',
    bcc_text    TEXT NOT NULL DEFAULT '',
    reply_text  TEXT NOT NULL DEFAULT '',
    subject     TEXT NOT NULL DEFAULT '',
    message_id  TEXT NOT NULL DEFAULT '',
    released    TEXT NOT NULL DEFAULT '[]'   -- JSON: when it was sent on, through which account, to whom, under which id
) STRICT;

-- All that paging, counting and the limits need, so that none of them reads the rows.
CREATE INDEX caught_arrival ON caught (received_at, size, is_read);
CREATE INDEX caught_unread ON caught (seq) WHERE is_read = 0;
CREATE INDEX caught_unparsed ON caught (seq) WHERE parsed = 0;

CREATE TABLE caught_source (
    seq         INTEGER PRIMARY KEY REFERENCES caught (seq) ON DELETE CASCADE,
    front       BLOB NOT NULL DEFAULT x'',   -- Return-Path and Bcc, which a mailbox would have
    headers     BLOB NOT NULL,
    session     TEXT NOT NULL DEFAULT '',    -- what was said up to the data
    body        BLOB                         -- NULL: the file sink/<id>
) STRICT;

CREATE TABLE caught_text (
    seq         INTEGER PRIMARY KEY REFERENCES caught (seq) ON DELETE CASCADE,
    text        TEXT NOT NULL                -- what a search without a field looks through, casefolded
) STRICT;

CREATE TABLE caught_tag (
    seq         INTEGER NOT NULL REFERENCES caught (seq) ON DELETE CASCADE,
    tag         TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (seq, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX caught_tagged ON caught_tag (tag);
