-- What users have consented to: one row for each sign-in that the relay keeps. Times are seconds since the epoch.

CREATE TABLE consent (
    account        TEXT NOT NULL,
    mailbox        TEXT NOT NULL,             -- whose sign-in, where an account has several; '' for the account's own
    user_name      TEXT NOT NULL,             -- who consented, as the provider says; '' when it does not
    refresh_token  TEXT NOT NULL,             -- sealed
    client_id      TEXT NOT NULL,             -- the application that it was given to,
    token_endpoint TEXT NOT NULL,             -- and where: it is shown to no other
    scope          TEXT NOT NULL,             -- what was asked for
    obtained_at    REAL NOT NULL,             -- the sign-in
    used_at        REAL NOT NULL,             -- the last request with it
    state          TEXT NOT NULL,             -- ok | consent_needed
    error          TEXT NOT NULL DEFAULT '',  -- why the last request gave no token
    version        INTEGER NOT NULL DEFAULT 1, -- grows with each token: an answer to an older one replaces nothing
    lease_owner    TEXT NOT NULL DEFAULT '',  -- who is asking for a token now
    lease_until    REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (account, mailbox)
) STRICT, WITHOUT ROWID;
