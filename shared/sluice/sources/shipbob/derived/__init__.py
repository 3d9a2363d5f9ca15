"""Statements that unfold documents into rows of their own, in the transaction that stored them."""
