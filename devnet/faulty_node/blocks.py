"""One block of the synthetic chain, in a node's JSON, with every hash as it must be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from devnet.faulty_node.bloom import BloomKind, bloom
from devnet.faulty_node.drafts import Draft, Movement
from ledger.header import encode_header
from ledger.json_hex import to_hex
from ledger.keccak import keccak256
from ledger.ordered_trie import EMPTY_ROOT, ordered_trie_root
from ledger.receipts import encode_receipt
from ledger.transactions import encode_transaction

_EMPTY_UNCLES = keccak256(b"\xc0")
_GAS_LIMIT = 30_000_000
_GAS_USED = 51_000


@dataclass(frozen=True, slots=True)
class ModelTransfer:
    """A transfer as the model made it, told without reading any log."""

    log_index: int
    tx_index: int
    tx_hash: bytes
    movement: Movement


@dataclass(frozen=True, slots=True)
class ModelBlock:
    """A block, what it holds, and how a node tells of it; treat the JSON as read-only."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    drafts: tuple[Draft, ...]
    header_json: dict[str, Any]
    block_json: dict[str, Any]
    receipts_json: list[dict[str, Any]]

    def transfers(self) -> Iterator[ModelTransfer]:
        """The genuine transfers in log order."""
        log_index = 0
        for tx_index, draft in enumerate(self.drafts):
            for log in draft.logs:
                if log.movement is not None:
                    yield ModelTransfer(log_index, tx_index, draft.hash, log.movement)
                log_index += 1


def build_block(
    random: Random,
    parent: ModelBlock | None,
    drafts: Sequence[Draft],
    *,
    timestamp: int,
    bloom_kind: BloomKind = BloomKind.TRUE,
) -> ModelBlock:
    """Make a block; two with the same parent and contents still differ, as proposers do."""
    number = 0 if parent is None else parent.number + 1
    parent_hash = bytes(32) if parent is None else parent.hash
    receipts = [_receipt(draft, index, bloom_kind) for index, draft in enumerate(drafts)]
    transactions = [encode_transaction(draft.fields) for draft in drafts]
    committed = {
        "parentHash": to_hex(parent_hash),
        "transactionsRoot": to_hex(ordered_trie_root(transactions)),
        "receiptsRoot": to_hex(ordered_trie_root([encode_receipt(item) for item in receipts])),
        "logsBloom": to_hex(bloom((log for draft in drafts for log in draft.logs), bloom_kind)),
        "number": hex(number),
        "gasUsed": hex(_GAS_USED * len(drafts)),
        "timestamp": hex(timestamp),
    }
    header = committed | _proposer_s_choices(random)
    block_hash = keccak256(encode_header(header))
    header["hash"] = to_hex(block_hash)
    place = {"blockHash": to_hex(block_hash), "blockNumber": hex(number)}
    return ModelBlock(
        number=number,
        hash=block_hash,
        parent_hash=parent_hash,
        timestamp=timestamp,
        drafts=tuple(drafts),
        header_json=header,
        block_json=header | _body(drafts, place),
        receipts_json=_placed(receipts, place, timestamp),
    )


def _proposer_s_choices(random: Random) -> dict[str, Any]:
    """The rest of a Prague header: what our checks need to be there and nobody looks at."""
    return {
        "sha3Uncles": to_hex(_EMPTY_UNCLES),
        "miner": to_hex(random.randbytes(20)),
        "stateRoot": to_hex(random.randbytes(32)),
        "difficulty": "0x0",
        "gasLimit": hex(_GAS_LIMIT),
        "extraData": to_hex(random.randbytes(random.randrange(33))),
        "mixHash": to_hex(random.randbytes(32)),
        "nonce": "0x0000000000000000",
        "baseFeePerGas": hex(random.randrange(1, 10**10)),
        "withdrawalsRoot": to_hex(EMPTY_ROOT),
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": to_hex(random.randbytes(32)),
        "requestsHash": to_hex(random.randbytes(32)),
    }


def _body(drafts: Sequence[Draft], place: dict[str, str]) -> dict[str, Any]:
    return {
        "size": "0x400",
        "uncles": [],
        "withdrawals": [],
        "transactions": [
            {**draft.fields, **place, "transactionIndex": hex(index)}
            for index, draft in enumerate(drafts)
        ],
    }


def _receipt(draft: Draft, index: int, bloom_kind: BloomKind) -> dict[str, Any]:
    fields = draft.fields
    return {
        "type": fields["type"],
        "status": "0x1",
        "cumulativeGasUsed": hex(_GAS_USED * (index + 1)),
        "logsBloom": to_hex(bloom(draft.logs, bloom_kind)),
        "logs": [
            {
                "address": to_hex(log.address),
                "topics": [to_hex(topic) for topic in log.topics],
                "data": to_hex(log.data),
            }
            for log in draft.logs
        ],
        "transactionHash": fields["hash"],
        "transactionIndex": hex(index),
        "from": fields["from"],
        "to": fields["to"],
        "contractAddress": None,
        "gasUsed": hex(_GAS_USED),
        "effectiveGasPrice": fields["gasPrice"],
    }


def _placed(
    receipts: list[dict[str, Any]], place: dict[str, str], timestamp: int
) -> list[dict[str, Any]]:
    """Receipts with what only their block can tell: its hash and number, and the log indexes."""
    log_index = 0
    for receipt in receipts:
        receipt.update(place)
        for log in receipt["logs"]:
            log.update(
                place,
                transactionHash=receipt["transactionHash"],
                transactionIndex=receipt["transactionIndex"],
                logIndex=hex(log_index),
                blockTimestamp=hex(timestamp),
                removed=False,
            )
            log_index += 1
    return receipts
