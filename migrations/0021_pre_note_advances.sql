-- migrate:up
-- When a commit last moved the stream's cursor: a watermark that stands is found without reading the log. What is there
-- already counts as moved now, and a new stream's time begins with its first claim; neither rewrites the table.
ALTER TABLE sluice.sync_commit ADD COLUMN advanced_at timestamptz NOT NULL DEFAULT now();

-- migrate:down
-- Forward only: mend with a new migration.
