"""What a vendor's account allows, as all workers share it: windows, tokens, the breaker, and their pages."""
