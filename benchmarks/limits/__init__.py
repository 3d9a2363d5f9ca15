"""Many worker processes on one vendor account, against a vendor that enforces its limits."""
