"""The subcommands of `sluice`: parse, call one room of ops, print."""
