-- Reports (RFC 3461, RFC 3464): what clients asked to be told, and what they have not been told yet.

ALTER TABLE message ADD COLUMN dsn TEXT NOT NULL DEFAULT '';           -- JSON: ret, envid, notify, orcpt; '': nothing asked
ALTER TABLE message ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;        -- 1: a report is due; 2: it was, and nobody could be told
ALTER TABLE message ADD COLUMN delay_told INTEGER NOT NULL DEFAULT 0;  -- its delay_warning is done with
ALTER TABLE recipient ADD COLUMN told INTEGER NOT NULL DEFAULT 0;      -- what became of it needs no report any more

-- Few rows are in these: they cost the others nothing.
CREATE INDEX message_owed ON message (seq) WHERE owed > 0;
CREATE INDEX message_report ON message (received_at) WHERE kind = 'report';
