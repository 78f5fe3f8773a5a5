"""A deterministic Ethereum node that lies on demand, over a synthetic but fully valid chain."""
