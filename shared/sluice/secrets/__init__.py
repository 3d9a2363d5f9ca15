"""Credentials, by reference, from Secrets Manager."""
