"""Vendors' subscriptions to our webhooks, and deliveries that were never applied."""
