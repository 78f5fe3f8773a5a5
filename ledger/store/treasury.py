"""What the treasury's transfers were for: swept, refunded, or matched by nothing of ours."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.json_hex import to_hex
from ledger.payment_uri import format_address
from ledger.store.pool import Connection
from ledger.units import Units, format_bill

# A vault forwards only to the treasury that its address commits to, so a transfer from an order
# address to the treasury is the sweep of that order. What is sent to the token's own contract is
# lost, and shown for that.
_TOUCHING = """
SELECT t.block_number, t.log_index, t.tx_hash, t.sender, t.recipient, t.amount,
       t.sender = c.treasury AS is_outgoing,
       CASE WHEN k.refund_id IS NOT NULL THEN 'refund'
            WHEN o.id IS NOT NULL AND t.recipient = c.treasury THEN 'sweep'
            WHEN p.order_id IS NOT NULL THEN 'payment'
            ELSE 'unmatched' END AS purpose
FROM transfer t
JOIN chain c ON c.chain_id = t.chain_id
LEFT JOIN orders o ON o.chain_id = t.chain_id AND o.address = t.sender
LEFT JOIN payment p
    ON (p.chain_id, p.block_hash, p.log_index) = (t.chain_id, t.block_hash, t.log_index)
LEFT JOIN refund_claim k
    ON (k.chain_id, k.block_hash, k.log_index) = (t.chain_id, t.block_hash, t.log_index)
WHERE t.chain_id = $1 AND t.block_number <= $2 AND t.canonical
    AND (t.recipient IN (c.treasury, c.token) OR t.sender = c.treasury)
"""

SUMS = f"""
SELECT purpose, is_outgoing, count(*) AS count, sum(amount) AS amount
FROM ({_TOUCHING}) touching GROUP BY purpose, is_outgoing
"""  # noqa: S608 - our own text

UNMATCHED = f"""
SELECT block_number, log_index, tx_hash, sender, recipient, amount, is_outgoing
FROM ({_TOUCHING}) touching WHERE purpose = 'unmatched'
ORDER BY block_number DESC, log_index DESC LIMIT $3
"""  # noqa: S608

RECEIVED = "SELECT coalesce(sum(amount_received), 0) FROM orders WHERE chain_id = $1"

OPEN_REFUNDS = """
SELECT status, count(*) FROM refund WHERE chain_id = $1 AND status NOT IN ('settled', 'cancelled')
GROUP BY status
"""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A transfer to or from the treasury, or to the token, that nothing of ours explains."""

    block_number: int
    log_index: int
    tx_hash: bytes
    sender: bytes
    recipient: bytes
    amount: Units
    is_outgoing: bool

    def as_json(self) -> dict[str, object]:
        """The transfer as `--json` prints it."""
        return {
            "direction": "out" if self.is_outgoing else "in",
            "blockNumber": self.block_number,
            "logIndex": self.log_index,
            "txHash": to_hex(self.tx_hash),
            "sender": format_address(self.sender),
            "recipient": format_address(self.recipient),
            "amount": format_bill(self.amount),
        }


@dataclass(frozen=True, slots=True)
class TreasuryStatement:
    """Sums up to a block, in base units.

    `in_vaults` is what orders have received and nobody has swept; counts are of transfers.
    """

    received: Units
    swept: Units
    refunded: Units
    unmatched_in: Units
    unmatched_out: Units
    unmatched_in_count: int
    unmatched_out_count: int
    refunds_by_status: dict[str, int]

    @property
    def in_vaults(self) -> Units:
        """What is still at order addresses."""
        return Units(self.received - self.swept)


async def read_statement(
    connection: Connection, chain_id: int, block_number: int
) -> TreasuryStatement:
    """Sum up the treasury's transfers up to and with a block; reads the whole history."""
    sums = {
        (row["purpose"], row["is_outgoing"]): (row["count"], Units(int(row["amount"])))
        for row in await connection.fetch(SUMS, chain_id, block_number)
    }
    nothing = (0, Units(0))
    came, went = sums.get(("unmatched", False), nothing), sums.get(("unmatched", True), nothing)
    received = await connection.fetchval(RECEIVED, chain_id)
    refunds = await connection.fetch(OPEN_REFUNDS, chain_id)
    return TreasuryStatement(
        received=Units(int(received)),
        swept=sums.get(("sweep", False), nothing)[1],
        refunded=sums.get(("refund", True), nothing)[1],
        unmatched_in=came[1],
        unmatched_out=went[1],
        unmatched_in_count=came[0],
        unmatched_out_count=went[0],
        refunds_by_status={row["status"]: row["count"] for row in refunds},
    )


async def read_unmatched(
    connection: Connection, chain_id: int, block_number: int, *, limit: int
) -> Sequence[Unmatched]:
    """The newest transfers that a person has to explain."""
    rows = await connection.fetch(UNMATCHED, chain_id, block_number, limit)
    return [Unmatched(**{**dict(row), "amount": Units(int(row["amount"]))}) for row in rows]
