"""Answers whether a payment is valid."""
