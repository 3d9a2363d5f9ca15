"""Dead letters: the queues, the tables that people read, and why a message died."""
