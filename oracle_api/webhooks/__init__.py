"""Tells partners' servers of events, signed, again and again until they have understood."""
