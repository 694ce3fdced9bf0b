-- The tokens that several processes share: one row for each account, or mailbox in it. Times are seconds since the epoch.

CREATE TABLE access_token (
    account      TEXT NOT NULL,
    mailbox      TEXT NOT NULL,              -- whose token, where an account has several; '' for the account's own
    content      TEXT NOT NULL DEFAULT '',   -- sealed: the token or the last failure, and what it was asked with
    expires_at   REAL NOT NULL DEFAULT 0,
    refresh_at   REAL NOT NULL DEFAULT 0,    -- from then on it is renewed
    ask_at       REAL NOT NULL DEFAULT 0,    -- until then the token endpoint is left alone
    lease_owner  TEXT NOT NULL DEFAULT '',   -- who is asking now
    lease_until  REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (account, mailbox)
) STRICT, WITHOUT ROWID;
