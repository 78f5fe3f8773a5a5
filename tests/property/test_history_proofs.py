"""A payment's proof convinces an independent verifier, and no altered one convinces ours."""

import copy
from typing import Any

import orjson
import pytest
import rlp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from proof_vectors import BlockVector, recorded_vectors
from trie import HexaryTrie

from ledger.ordered_trie import OrderedTrie, ordered_trie_root
from ledger.proof import BlockProofs, check_proof
from ledger.trie_proof import ProofRefusedError, proven_value

PAYING = [
    vector
    for vector in recorded_vectors()
    if vector.receipts and any(receipt["logs"] for receipt in vector.receipts)
]


def proof_of(vector: BlockVector) -> dict[str, Any]:
    receipts = vector.receipts or []
    index = next(i for i, receipt in enumerate(receipts) if receipt["logs"])
    token = bytes.fromhex(receipts[index]["logs"][0]["address"][2:])
    return BlockProofs(vector.block, receipts, token=token).document(index)


PROOF = next(proof for vector in PAYING for proof in [proof_of(vector)] if proof["transfers"])
TEXT = orjson.dumps(PROOF)


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=300), st.data())
@settings(max_examples=60)
def test_a_trie_proof_satisfies_another_library(values: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    root, nodes = ordered_trie_root(values), OrderedTrie(values).proof(index)
    key = rlp.encode(index)
    assert HexaryTrie.get_from_proof(root, key, [rlp.decode(n) for n in nodes]) == values[index]
    assert proven_value(root, index, nodes) == values[index]


# Equal values would be proven for both their places, and rightly.
@given(
    st.lists(st.binary(min_size=40, max_size=80), min_size=2, max_size=100, unique=True), st.data()
)
@settings(max_examples=60)
def test_a_trie_proof_holds_for_no_other_place(values: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    other = data.draw(st.integers(0, len(values) + 3).filter(lambda place: place != index))
    with pytest.raises(ProofRefusedError):
        proven_value(ordered_trie_root(values), other, OrderedTrie(values).proof(index))


@pytest.mark.parametrize("index", [-1, 3, 300])
def test_there_is_no_proof_of_what_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        OrderedTrie([b"milk"] * 3).proof(index)
    with pytest.raises(IndexError):
        OrderedTrie([]).proof(index)


@pytest.mark.parametrize("vector", PAYING, ids=repr)
def test_every_recorded_payment_proves_itself(vector: BlockVector) -> None:
    proof = proof_of(vector)
    if not proof["transfers"]:
        pytest.skip("its logs are no transfers")
    proven = check_proof(orjson.loads(orjson.dumps(proof)))
    assert proven.block_hash.hex() == vector.block["hash"][2:]
    for side, root in (("transaction", "transactionsRoot"), ("receipt", "receiptsRoot")):
        nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in proof[f"{side}Proof"]]
        found = HexaryTrie.get_from_proof(
            bytes.fromhex(vector.block[root][2:]), rlp.encode(proof["txIndex"]), nodes
        )
        assert "0x" + found.hex() == proof[side]


@given(place=st.integers(0, len(TEXT) - 1), byte=st.integers(0, 255))
@settings(max_examples=600)
def test_with_any_byte_changed_it_is_refused(place: int, byte: int) -> None:
    assume(TEXT[place] != byte)
    changed = TEXT[:place] + bytes((byte,)) + TEXT[place + 1 :]
    try:
        document = orjson.loads(changed)
    except orjson.JSONDecodeError:
        return
    assume(document != PROOF)  # a blank for a blank
    with pytest.raises(ProofRefusedError):
        check_proof(document)


@pytest.mark.parametrize("name", sorted(PROOF))
def test_without_any_of_its_parts_it_is_refused(name: str) -> None:
    document = {key: value for key, value in PROOF.items() if key != name}
    with pytest.raises(ProofRefusedError):
        check_proof(document)


def test_with_anything_added_it_is_refused() -> None:
    for change in ("receiptProof", "transactionProof", "transfers"):
        document = copy.deepcopy(PROOF)
        document[change].append(document[change][0])
        with pytest.raises(ProofRefusedError):
            check_proof(document)
    with pytest.raises(ProofRefusedError):
        check_proof(PROOF | {"finality": "finalized"})


def test_about_another_block_than_the_trusted_one_it_is_refused() -> None:
    trusted = bytes.fromhex(PROOF["blockHash"][2:])
    assert check_proof(PROOF, block_hash=trusted).tx_hash.hex() == PROOF["txHash"][2:]
    with pytest.raises(ProofRefusedError) as refused:
        check_proof(PROOF, block_hash=bytes(32))
    assert refused.value.code == "block_hash"


@pytest.mark.parametrize("junk", [None, [], 3, "", {}, {"format": "billcoin-payment-proof/1"}])
def test_junk_is_refused(junk: object) -> None:
    with pytest.raises(ProofRefusedError):
        check_proof(junk)


@given(st.binary(max_size=200))
def test_random_bytes_for_evidence_are_refused(data: bytes) -> None:
    for name in ("header", "receipt", "transaction"):
        with pytest.raises(ProofRefusedError):
            check_proof(PROOF | {name: "0x" + data.hex()})
    for name in ("receiptProof", "transactionProof"):
        with pytest.raises(ProofRefusedError):
            check_proof(PROOF | {name: ["0x" + data.hex()]})
