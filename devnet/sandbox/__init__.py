"""Produces each answer of the oracle on purpose, on a real chain."""
