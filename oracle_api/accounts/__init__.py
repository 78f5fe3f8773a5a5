"""Accounts and API keys: made, changed and ended by the office alone."""
