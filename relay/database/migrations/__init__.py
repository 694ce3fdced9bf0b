"""The schema, as numbered steps: `NNNN_name.sql` is applied once, in order, each in one transaction."""
