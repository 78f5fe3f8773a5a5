"""Builds a range anew from another node and says where our ledger differs from it."""
