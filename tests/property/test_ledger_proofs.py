"""A block is accepted exactly as it was committed, and never when anything committed differs."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import rlp
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from lean import search
from proof_vectors import (
    SHARED,
    SHARED_MISSING,
    BlockVector,
    answers,
    block_vector_from_rlp,
    chain_vectors,
    header_from_rlp,
    recorded_vectors,
    shared_vectors,
)
from tampering import (
    UNCOMMITTED_BLOCK_FIELDS,
    UNCOMMITTED_LOG_FIELDS,
    UNCOMMITTED_RECEIPT_FIELDS,
    UNCOMMITTED_TRANSACTION_FIELDS,
    Path,
    committed_paths,
    flip_digit,
    get,
    list_paths,
    put,
    without,
)

from ledger.block import prove_block
from ledger.header import encode_header, prove_header
from ledger.json_hex import UnprovenError
from ledger.ordered_trie import ordered_trie_root
from ledger.receipts import encode_receipt

RECORDED = recorded_vectors()
ELSEWHERE = shared_vectors()
VECTORS = [*RECORDED, *ELSEWHERE]
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=SHARED_MISSING)

# Each with one transaction at least; the small and the manifold ones are drawn more often.
TAMPERED = st.sampled_from(VECTORS)
WITH_RECEIPTS = [vector for vector in VECTORS if vector.receipts]
COMPLETE = [vector for vector in WITH_RECEIPTS if vector.has_transactions]


def named(vectors: list[BlockVector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=repr)


def expect_refused(vector: BlockVector, *codes: str) -> None:
    """Refused as unproven, with one of the codes if any are named, and by no other exception."""
    with pytest.raises(UnprovenError) as refused:
        vector.prove()
    assert not codes or refused.value.code in codes


def test_the_recorded_vectors_are_what_the_tests_need() -> None:
    forks = {vector.name.split("-")[1] for vector in RECORDED}
    assert forks == {"istanbul", "berlin", "london", "paris", "shanghai", "cancun", "prague"}
    for fork in forks:
        blocks = [vector for vector in RECORDED if f"-{fork}-" in vector.name]
        sizes = [len(vector.block["transactions"]) for vector in blocks]
        assert sizes[0] >= 4
        assert sizes[1:] == [0, 1]
        receipts = blocks[0].receipts
        assert "0x0" in {receipt["status"] for receipt in receipts}
        assert any(receipt["contractAddress"] for receipt in receipts)
        assert any(receipt["logs"] for receipt in receipts)


@named(RECORDED)
def test_accepts_every_recorded_block(vector: BlockVector) -> None:
    assert vector.prove().hash.hex() == vector.block["hash"][2:]


def test_finds_the_transfers_that_the_recorder_sent() -> None:
    (busy,) = [vector for vector in RECORDED if vector.name == "anvil-prague-0"]
    proven = prove_block(busy.block, busy.receipts, expected_hash=None, token=busy.token)
    sent = [(item.tx_index, item.log_index, item.amount) for item in proven.transfers]
    # The second transaction is the reverted one and the third creates a contract.
    bill = 10**18
    assert sent == [(0, 0, bill), (3, 1, 0), (4, 2, 3 * bill), (5, 3, 4 * bill), (6, 4, 6 * bill)]


@needs_shared
def test_accepts_every_shared_block() -> None:
    for vector in ELSEWHERE:
        assert vector.prove().hash.hex() == vector.block["hash"][2:]


@needs_shared
def test_the_shared_chain_has_every_fork_and_every_type() -> None:
    chain = chain_vectors()
    parents = [vector.block["hash"] for vector in chain[:-1]]
    assert [vector.block["parentHash"] for vector in chain[1:]] == parents
    kinds = {item["type"] for vector in chain for item in vector.block["transactions"]}
    assert kinds == {"0x0", "0x1", "0x2", "0x3", "0x4"}
    sizes = {len(vector.block) for vector in chain}
    assert len(sizes) == 5  # Frontier's fields, then London's, Shanghai's, Cancun's and Prague's


@needs_shared
def test_raw_answers_are_what_we_hash() -> None:
    raw_block = bytes.fromhex(answers("debug_getRawBlock")["get-block-n"][2:])
    vector = block_vector_from_rlp(raw_block)
    vector.prove()
    raw_header = bytes.fromhex(answers("debug_getRawHeader")["get-block-n"][2:])
    assert prove_header(header_from_rlp(rlp.decode(raw_header))).hash == vector.prove().hash
    raw_receipts = answers("debug_getRawReceipts")["get-block-n"]
    receipts = [_receipt_from_rlp(rlp.decode(bytes.fromhex(raw[2:]))) for raw in raw_receipts]
    assert ["0x" + encode_receipt(receipt).hex() for receipt in receipts] == raw_receipts
    root = "0x" + vector.prove().receipts_root.hex()
    assert root == vector.block["receiptsRoot"]


def _receipt_from_rlp(fields: list[Any]) -> dict[str, Any]:
    outcome, gas, bloom, logs = fields
    return {
        "root": "0x" + outcome.hex(),
        "cumulativeGasUsed": hex(int.from_bytes(gas, "big")),
        "logsBloom": "0x" + bloom.hex(),
        "logs": [
            {
                "address": "0x" + address.hex(),
                "topics": ["0x" + topic.hex() for topic in topics],
                "data": "0x" + data.hex(),
            }
            for address, topics, data in logs
        ],
    }


def _draw_committed(data: st.DataObject, vector: BlockVector) -> tuple[Path, Any]:
    path = data.draw(st.sampled_from(committed_paths(vector)))
    return path, get(vector, path)


@named(RECORDED)
def test_refuses_a_recorded_block_with_any_committed_field_flipped(vector: BlockVector) -> None:
    """Every field once, at a place that depends on the field; Hypothesis draws the others."""
    for index, path in enumerate(committed_paths(vector)):
        text = get(vector, path)
        if len(text) > 2:
            expect_refused(put(vector, path, flip_digit(text, 7 * index, 1 + index % 15)))


@search(300)
@given(vector=TAMPERED, data=st.data())
def test_refuses_each_after_flipping_any_committed_byte(
    vector: BlockVector, data: st.DataObject
) -> None:
    path, text = _draw_committed(data, vector)
    difference = data.draw(st.integers(1, 15))
    position = data.draw(st.integers(0, max(0, len(text) - 3)))
    if len(text) == 2:  # empty data has no digit to flip, but may gain a byte
        expect_refused(put(vector, path, f"0x0{difference:x}"))
    else:
        expect_refused(put(vector, path, flip_digit(text, position, difference)))


NO_DIGITS = " \t\n_-+.gGxX\uff11\u0661\u00b2"


@search(200)
@given(vector=TAMPERED, data=st.data(), character=st.sampled_from(NO_DIGITS))
def test_refuses_each_after_replacing_a_digit_by_what_is_none(
    vector: BlockVector, data: st.DataObject, character: str
) -> None:
    path, text = _draw_committed(data, vector)
    place = data.draw(st.integers(0, len(text) - 1))
    replaced = text[:place] + character + text[place + 1 :]
    if replaced != text:  # the x of 0x
        expect_refused(put(vector, path, replaced))
    expect_refused(put(vector, path, text[:place] + character + text[place:]))


def _means_the_same_when_absent(path: Path, value: Any) -> bool:
    """An absent type is a legacy one: older nodes leave it out, and it is hashed all the same."""
    return path[-1] == "type" and value == "0x0"


@search(200)
@given(vector=TAMPERED, data=st.data())
def test_refuses_each_after_removing_a_committed_field(
    vector: BlockVector, data: st.DataObject
) -> None:
    paths = [
        path
        for path in committed_paths(vector)
        if isinstance(path[-1], str)
        and not _means_the_same_when_absent(path, get(vector, path))
        # The parity is then read from `v`, as older nodes name it.
        and path[-1] != "yParity"
    ]
    path = data.draw(st.sampled_from(paths))
    removed = without(vector, path)
    expect_refused(removed)
    expect_refused(put(removed, path, None))


NO_HEX = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(
        ["0x", "0X1", "0x01", "0x0_1", "0x ", " 0x1", "0x1\n", "0xzz", "0x\u0661", "-0x1"]
    ),
)


@search(200)
@given(vector=TAMPERED, data=st.data(), junk=NO_HEX)
def test_refuses_each_after_replacing_a_committed_field_by_something_else(
    vector: BlockVector, data: st.DataObject, junk: Any
) -> None:
    path, value = _draw_committed(data, vector)
    # Absence means what it means for removal; empty data may have been empty before.
    if junk == value or (junk is None and path[-1] == "yParity"):
        return
    expect_refused(put(vector, path, junk))


@search(150)
@given(vector=TAMPERED, data=st.data(), junk=NO_HEX)
def test_refuses_each_whose_lists_are_something_else(
    vector: BlockVector, data: st.DataObject, junk: Any
) -> None:
    paths = list_paths(vector)
    if not paths:
        return
    path = data.draw(st.sampled_from(paths))
    if junk != get(vector, path):
        expect_refused(put(vector, path, junk))


@search(200)
@given(vector=TAMPERED, data=st.data(), how=st.sampled_from(["drop", "double", "reverse", "swap"]))
def test_refuses_each_after_reordering_dropping_or_doubling(
    vector: BlockVector, data: st.DataObject, how: str
) -> None:
    paths = [path for path in list_paths(vector) if get(vector, path)]
    if not paths:
        return
    path = data.draw(st.sampled_from(paths))
    items = list(get(vector, path))
    at = data.draw(st.integers(0, len(items) - 1))
    if how == "drop":
        changed = items[:at] + items[at + 1 :]
    elif how == "double":
        changed = [*items[: at + 1], *items[at:]]
    elif how == "reverse":
        changed = items[::-1]
    else:
        changed = items[at:] + items[:at]
    if changed != items:
        expect_refused(put(vector, path, changed))


@named([vector for vector in COMPLETE if len(vector.receipts) > 1])
def test_refuses_the_receipts_of_another_block(vector: BlockVector) -> None:
    for other in WITH_RECEIPTS:
        if other.block["hash"] != vector.block["hash"]:
            # Two chains' first blocks may hold the same receipts, but not under the same hash.
            codes = ("receipts_root", "receipts_of_another_block")
            expect_refused(replace(vector, receipts=other.receipts), *codes)
    expect_refused(replace(vector, receipts=[]), "receipts_root")


@named(COMPLETE)
def test_refuses_right_receipts_that_name_another_block(vector: BlockVector) -> None:
    moved = [receipt | {"blockHash": "0x" + "ab" * 32} for receipt in vector.receipts]
    expect_refused(replace(vector, receipts=moved), "receipts_of_another_block")


@named([vector for vector in COMPLETE if any(item["logs"] for item in vector.receipts)])
def test_refuses_log_indexes_that_are_double_missing_or_removed(vector: BlockVector) -> None:
    for path in list_paths(vector):
        if path[-1] != "logs":
            continue
        for index, log in enumerate(get(vector, path)):
            at = (*path, index)
            next_number = hex(int(log["logIndex"], 16) + 1)
            expect_refused(put(vector, (*at, "logIndex"), next_number), "log_index")
            expect_refused(without(vector, (*at, "logIndex")), "field_malformed")
            expect_refused(put(vector, (*at, "removed"), "yes"), "log_removed")


@pytest.mark.parametrize(
    ("shorter", "longer"), [("address", 0), (0, 1), (1, 2), (2, "data"), ("data", 2)]
)
def test_refuses_digits_that_moved_from_a_field_of_a_transfer_to_the_next(
    shorter: str | int, longer: str | int
) -> None:
    """Joined they are the same digits, so that no hash would tell."""
    vector = deepcopy(next(one for one in RECORDED if any(item["logs"] for item in one.receipts)))
    logs = (log for receipt in vector.receipts for log in receipt["logs"])
    log = next(log for log in logs if len(log["topics"]) == 3)
    fields = {"address": log, "data": log, 0: log["topics"], 1: log["topics"], 2: log["topics"]}
    taken, given_to = fields[shorter][shorter], fields[longer][longer]
    fields[shorter][shorter] = taken[:-2]
    fields[longer][longer] = "0x" + taken[-2:] + given_to[2:]
    expect_refused(vector, "field_malformed")


@named([vector for vector in COMPLETE if len(vector.block["transactions"]) > 1])
def test_refuses_a_transaction_or_receipt_named_by_anothers_hash(vector: BlockVector) -> None:
    first, second = vector.block["transactions"][:2]
    renamed = put(vector, ("block", "transactions", 0, "hash"), second["hash"])
    expect_refused(renamed, "transaction_hash")
    renamed = put(vector, ("receipts", 1, "transactionHash"), first["hash"])
    expect_refused(renamed, "receipt_transaction")


@named(COMPLETE)
def test_refuses_hashes_where_transactions_were_asked_for(vector: BlockVector) -> None:
    hashes = [transaction["hash"] for transaction in vector.block["transactions"]]
    expect_refused(put(vector, ("block", "transactions"), hashes), "transactions_missing")


@named(RECORDED)
def test_refuses_another_block_than_the_one_asked_for(vector: BlockVector) -> None:
    with pytest.raises(UnprovenError) as refused:
        prove_block(vector.block, vector.receipts, expected_hash=bytes(32), token=vector.token)
    assert refused.value.code == "header_hash"


@named(VECTORS)
def test_nothing_kept_comes_from_what_no_hash_commits_to(vector: BlockVector) -> None:
    """Lies in the convenience fields change nothing of a proven block; so does leaving them out."""
    honest = vector.prove()
    lie = "0x" + "ba" * 20
    lied, bare = vector, vector
    for path in _uncommitted_paths(vector):
        lied = put(lied, path, lie)
        if get(bare, path) is not None:
            bare = without(bare, path)
    assert lied.prove() == bare.prove() == honest
    if vector in COMPLETE:
        proven = [
            prove_block(item.block, item.receipts, expected_hash=None, token=vector.token)
            for item in (vector, lied, bare)
        ]
        assert proven[0] == proven[1] == proven[2]


def _uncommitted_paths(vector: BlockVector) -> list[Path]:
    paths: list[Path] = [("block", name) for name in UNCOMMITTED_BLOCK_FIELDS]
    if vector.has_transactions:
        for index, transaction in enumerate(vector.block["transactions"]):
            names = list(UNCOMMITTED_TRANSACTION_FIELDS)
            if transaction["type"] != "0x0":
                # Said again by `yParity` and by the header's base fee.
                names += ["v"] if "yParity" in transaction else []
                names += ["gasPrice"] if transaction["type"] != "0x1" else []
            paths += [("block", "transactions", index, name) for name in names]
    for index, receipt in enumerate(vector.receipts or ()):
        paths += [("receipts", index, name) for name in UNCOMMITTED_RECEIPT_FIELDS]
        for log in range(len(receipt["logs"])):
            paths += [("receipts", index, "logs", log, name) for name in UNCOMMITTED_LOG_FIELDS]
    return paths


def test_refuses_what_is_no_block_at_all() -> None:
    for junk in (None, [], "0x", 7, {}):
        with pytest.raises(UnprovenError):
            prove_header(junk)  # type: ignore[arg-type]
        with pytest.raises(UnprovenError):
            prove_block(junk, [], expected_hash=None, token=bytes(20))  # type: ignore[arg-type]


def _forged(vector: BlockVector, **fields: str) -> BlockVector:
    """A block with other header fields and the hash that they make: only consensus could tell."""
    block = vector.block | fields
    return replace(vector, block=block | {"hash": "0x" + keccak(encode_header(block)).hex()})


@pytest.mark.parametrize("name", ["number", "timestamp"])
def test_refuses_a_made_up_header_that_could_not_be_stored(name: str) -> None:
    (empty,) = [vector for vector in RECORDED if vector.name == "anvil-prague-1"]
    expect_refused(_forged(empty, **{name: hex(2**63)}), "field_malformed")
    assert _forged(empty, **{name: hex(2**63 - 1)}).prove()


def test_refuses_a_made_up_header_with_more_receipts_than_transactions() -> None:
    (busy,) = [vector for vector in RECORDED if vector.name == "anvil-prague-0"]
    receipts = busy.receipts
    encoded = [encode_receipt(receipt) for receipt in receipts]
    surplus = {"transactionIndex": hex(len(receipts)), "logs": []}
    last = receipts[-1] | surplus
    root = ordered_trie_root([*encoded, encode_receipt(last)])
    forged = _forged(busy, receiptsRoot="0x" + root.hex())
    named = [receipt | {"blockHash": forged.block["hash"]} for receipt in (*receipts, last)]
    expect_refused(replace(forged, receipts=named), "receipt_transaction")
    fewer = _forged(busy, receiptsRoot="0x" + ordered_trie_root(encoded[:-1]).hex())
    named = [receipt | {"blockHash": fewer.block["hash"]} for receipt in receipts[:-1]]
    expect_refused(replace(fewer, receipts=named), "receipt_transaction")


def test_refuses_forks_with_a_gap_in_their_fields() -> None:
    (empty,) = [vector for vector in RECORDED if vector.name == "anvil-prague-1"]
    for name in ("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "parentBeaconBlockRoot"):
        expect_refused(without(empty, ("block", name)), "header_fields")


def test_reads_the_parity_of_older_nodes_and_absent_lists() -> None:
    (busy,) = [vector for vector in RECORDED if vector.name == "anvil-prague-0"]
    older = busy
    for index, transaction in enumerate(busy.block["transactions"]):
        at = ("block", "transactions", index)
        if "yParity" in transaction:
            older = without(older, (*at, "yParity"))
        if transaction.get("accessList") == []:
            older = without(older, (*at, "accessList"))
        if transaction["type"] == "0x0":
            older = without(older, (*at, "type"))
    assert older.prove() == busy.prove()


def test_refuses_types_that_it_does_not_know() -> None:
    (busy,) = [vector for vector in RECORDED if vector.name == "anvil-prague-0"]
    at = ("block", "transactions", 0, "type")
    expect_refused(put(busy, at, "0x5"), "transaction_type")
    expect_refused(put(busy, ("receipts", 0, "type"), "0x80"), "field_malformed")
