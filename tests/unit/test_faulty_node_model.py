"""The synthetic chain is a valid one, by the word of libraries that we did not write."""

# ruff: noqa: S311 - a test wants the same numbers each time

from random import Random

import pytest
import rlp
from eth_bloom import BloomFilter
from trie import HexaryTrie

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.bloom import BloomKind
from devnet.faulty_node.drafts import lookalike_logs
from devnet.faulty_node.model import ChainModel
from ledger.block import prove_block
from ledger.errors import RejectedError
from ledger.keccak import keccak256

_HEADER_ORDER = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
    *("logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"),
    *("mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas"),
    *("parentBeaconBlockRoot", "requestsHash"),
)
_QUANTITIES = {
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas"),
    *("blobGasUsed", "excessBlobGas"),
}


def _data(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _number(text: str) -> bytes:
    value = int(text, 16)
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _trie_root(values: list[bytes]) -> bytes:
    trie = HexaryTrie({})
    for index, value in enumerate(values):
        trie[rlp.encode(index)] = value
    return trie.root_hash


def _transaction(fields: dict[str, str]) -> bytes:
    quantity = {name: _number(value) for name, value in fields.items() if name in _TX_QUANTITIES}
    to, data = _data(fields["to"]), _data(fields["input"])
    if fields["type"] == "0x0":
        head = [quantity[name] for name in ("nonce", "gasPrice", "gas")]
        tail = [quantity[name] for name in ("v", "r", "s")]
        return rlp.encode([*head, to, quantity["value"], data, *tail])
    names = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")
    head = [quantity[name] for name in names]
    tail = [quantity[name] for name in ("yParity", "r", "s")]
    return b"\x02" + rlp.encode([*head, to, quantity["value"], data, [], *tail])


_TX_QUANTITIES = {
    *("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "gasPrice", "value"),
    *("yParity", "v", "r", "s"),
}


def _receipt(receipt: dict) -> bytes:
    logs = [
        [_data(log["address"]), [_data(topic) for topic in log["topics"]], _data(log["data"])]
        for log in receipt["logs"]
    ]
    cumulative = _number(receipt["cumulativeGasUsed"])
    encoded = rlp.encode(
        [_number(receipt["status"]), cumulative, _data(receipt["logsBloom"]), logs]
    )
    return encoded if receipt["type"] == "0x0" else b"\x02" + encoded


def _crowded_block(model: ChainModel, transactions: int = 140) -> ModelBlock:
    """Enough transactions for every kind of trie node, with every kind of log."""
    deceptive = lookalike_logs(model.deployment.token, model.wallets[0], bytes(range(20)), 7)
    drafts = [
        model.draft(
            [model.transfer(model.wallets[1], bytes([index]) * 20, index), *deceptive],
            kind=2 * (index % 2),
        )
        for index in range(transactions)
    ]
    return model.mine(drafts)


@pytest.mark.parametrize("transactions", [0, 1, 2, 17, 140])
def test_the_model_s_hashes_are_those_of_independent_libraries(transactions: int) -> None:
    block = _crowded_block(ChainModel(Random(3)), transactions)
    told = block.block_json
    encoded = [_transaction(item) for item in told["transactions"]]
    assert [keccak256(item) for item in encoded] == [_data(x["hash"]) for x in told["transactions"]]
    assert _trie_root(encoded) == _data(told["transactionsRoot"])
    assert _trie_root([_receipt(item) for item in block.receipts_json]) == _data(
        told["receiptsRoot"]
    )
    header = [
        _number(told[name]) if name in _QUANTITIES else _data(told[name]) for name in _HEADER_ORDER
    ]
    assert keccak256(rlp.encode(header)) == block.hash == _data(told["hash"])


def test_true_blooms_are_those_of_an_independent_library() -> None:
    block = _crowded_block(ChainModel(Random(3)), 5)
    expected = BloomFilter()
    for receipt in block.receipts_json:
        for log in receipt["logs"]:
            expected.extend([_data(log["address"]), *map(_data, log["topics"])])
    assert int(block.block_json["logsBloom"], 16) == int(expected)


@pytest.mark.parametrize("bloom_kind", list(BloomKind))
def test_the_ledger_proves_every_block_and_reads_just_the_genuine_transfers(
    bloom_kind: BloomKind,
) -> None:
    model = ChainModel(Random(5), bloom_kind=bloom_kind)
    block = _crowded_block(model)
    proven = prove_block(
        block.block_json,
        block.receipts_json,
        expected_hash=block.hash,
        token=model.deployment.token,
    )
    assert [
        (item.log_index, item.tx_index, item.tx_hash, item.sender, item.recipient, item.amount)
        for item in proven.transfers
    ] == [
        (
            *(item.log_index, item.tx_index, item.tx_hash),
            *(item.movement.sender, item.movement.recipient, item.movement.amount),
        )
        for item in block.transfers()
    ]
    assert len(proven.transfers) == 140


def test_a_seed_gives_the_same_chain_again() -> None:
    first, second = (ChainModel(Random(9)) for _ in range(2))
    for model in (first, second):
        model.mine([model.pay(bytes(20), 1)])
        model.reorg(1, [[], []])
    assert first.head == second.head
    assert first.head != ChainModel(Random(10)).head


def test_a_transaction_keeps_its_hash_when_another_block_includes_it() -> None:
    model = ChainModel(Random(1))
    draft = model.pay(bytes(20), 5)
    before = model.mine([draft])
    after = model.reorg(1, [[], [draft]])
    assert before.hash != after.hash
    assert [item.tx_hash for item in before.transfers()] == [
        item.tx_hash for item in after.transfers()
    ]


def test_the_chain_moves_between_branches_and_back() -> None:
    model = ChainModel(Random(1))
    fork = model.head
    left = model.mine()
    right = model.reorg(1, [[], []])
    assert model.at(2).parent_hash == fork.hash
    model.switch_to(left)
    assert model.head is left
    assert model.at(3) is None
    model.switch_to(right)
    assert [model.at(number).hash for number in (1, 3)] == [fork.hash, right.hash]
    model.switch_to(fork)
    assert model.head is fork


def test_a_reorganisation_below_genesis_is_refused() -> None:
    model = ChainModel(Random(1))
    with pytest.raises(RejectedError):
        model.reorg(5, [[]])
    with pytest.raises(RejectedError):
        model.reorg(1, [])
    with pytest.raises(RejectedError):
        model.declare(safe=5, finalized=0)
