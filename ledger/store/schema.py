"""Every table of the database, whichever module describes it."""

from ledger.store import (
    account_tables,
    attestation_tables,
    audit_tables,
    economy_tables,
    loyalty_tables,
    refund_tables,
    tables,
    webhook_tables,
)

TABLE_MODULES = (
    tables,
    account_tables,
    attestation_tables,
    audit_tables,
    economy_tables,
    refund_tables,
    webhook_tables,
    loyalty_tables,
)
"""Imported for their tables, which all belong to one `metadata`."""

metadata = tables.metadata
