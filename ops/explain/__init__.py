"""How the database runs the hot queries, and whether it has the index that each needs."""
