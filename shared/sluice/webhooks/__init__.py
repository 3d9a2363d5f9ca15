"""Webhooks: who really sent a request, by its raw bytes. Knows no vendor, no queue and no database."""
