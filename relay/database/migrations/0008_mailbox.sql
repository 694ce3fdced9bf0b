-- Whose mailbox a message goes through, where its account acts as whoever sends; '' where the account has one of its own.

ALTER TABLE message ADD COLUMN mailbox TEXT NOT NULL DEFAULT '';

-- The queue of each mailbox is looked at by itself, and all of them can be found without reading through any.
DROP INDEX message_due;
CREATE INDEX message_due ON message (account, mailbox, priority, next_at, seq, expires_at) WHERE state = 'queued';
