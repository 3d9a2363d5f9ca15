"""A simulated cars vendor on loopback that serves wrong answers on request and knows the truth."""
