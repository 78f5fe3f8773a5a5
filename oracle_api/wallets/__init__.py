"""Wallets that accounts have proved to hold (Sign-In with Ethereum)."""
