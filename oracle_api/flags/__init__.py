"""Callers who behave oddly, shown to an admin."""
