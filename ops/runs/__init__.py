"""Runs as people watch them: their figures, where their time went, what they must reach."""
