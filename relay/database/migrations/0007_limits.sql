-- How much is in the queue, asked once a second: from small indexes, not from all the rows.

CREATE INDEX message_kept ON message (received_at, size) WHERE headers IS NOT NULL;
CREATE INDEX message_failed ON message (done_at, owed, size) WHERE state = 'failed';
