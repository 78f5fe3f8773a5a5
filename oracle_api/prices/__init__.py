"""The all-milk price: what orders are locked at, its history, and a forecast."""
