"""What every simulated vendor needs on loopback: clock, chance, limit, server, control, broken wires."""
