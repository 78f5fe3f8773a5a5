"""Proofs of payments, for anybody who trusts no oracle."""
