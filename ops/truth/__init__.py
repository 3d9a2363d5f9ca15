"""Compare what is stored with what the simulated vendors know to be true. For the demo and tests."""
