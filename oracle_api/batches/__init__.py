"""Traceability: attested batches, and from an order back to the batches behind it."""
