"""What people switch while it runs: scopes, pauses, cadences, actions on one stream or run."""
