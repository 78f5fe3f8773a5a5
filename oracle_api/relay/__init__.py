"""Broadcasts what wallets without gas have signed: each authorisation once."""
