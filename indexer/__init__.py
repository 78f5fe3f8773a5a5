"""Moves blocks from nodes into the ledger, proving each one."""
