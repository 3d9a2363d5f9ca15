"""Leases and the registry of streams, in DynamoDB."""
