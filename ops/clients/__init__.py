"""The clients file, and the registry brought in line with it."""
