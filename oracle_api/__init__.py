"""Answers whether a payment is valid and tells tills when it is."""
