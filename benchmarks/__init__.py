"""Measurements on the embedded stack: `make bench`. Development only; never deployed."""
