"""A simulated ShipBob on loopback: one parent account, its merchants, their traps and the truth."""
