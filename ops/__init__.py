"""The `sluice` command: for operators and for trying Sluice on one machine."""
