"""Everything that knows Postgres: connection, schema, the fenced commit and the merge."""
