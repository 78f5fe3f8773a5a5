"""Signing in: access tokens, refresh tokens, and the keys to check them with."""
