"""ShipBob: orders and what hangs below them by each merchant's token, billing by the parent's."""
