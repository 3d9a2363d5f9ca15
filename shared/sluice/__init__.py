"""Sluice: keeps a Postgres database in step with vendor systems, one bounded slice at a time."""
