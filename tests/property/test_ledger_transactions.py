"""Envelopes of every type hash as the account library's signed transactions do."""

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from lean import search

from ledger.json_hex import UnprovenError
from ledger.keccak import keccak256
from ledger.transactions import encode_transaction

KEY = Account.from_key(b"\x11" * 32)
WEI = st.integers(0, 2**96)
COUNT = st.integers(0, 2**63)
ADDRESS = st.binary(min_size=20, max_size=20)
WORD = st.binary(min_size=32, max_size=32)
ACCESS = st.lists(st.tuples(ADDRESS, st.lists(WORD, max_size=3)), max_size=3)


def data(value: bytes) -> str:
    return "0x" + value.hex()


@st.composite
def transactions(draw: st.DrawFn, kind: int) -> dict[str, Any]:
    """What one signs; the node's names for it are made from it afterwards."""
    fields: dict[str, Any] = {
        "nonce": draw(COUNT),
        "gas": draw(st.integers(21_000, 2**63)),
        "value": draw(WEI),
        "data": draw(st.binary(max_size=100)),
        "chainId": draw(st.integers(1, 2**40)),
        # Blob and set-code transactions cannot create contracts.
        "to": draw(ADDRESS if kind > 2 else st.one_of(ADDRESS, st.just(b""))),
    }
    if kind < 2:
        fields["gasPrice"] = draw(WEI)
    else:
        fields |= {"maxFeePerGas": 2**97, "maxPriorityFeePerGas": draw(WEI)}
    if kind:
        fields["type"] = kind
        fields["accessList"] = [
            {"address": data(address), "storageKeys": [data(key) for key in keys]}
            for address, keys in draw(ACCESS)
        ]
    if kind == 3:
        versioned = draw(st.lists(st.binary(min_size=31, max_size=31), min_size=1, max_size=3))
        hashes = [data(b"\x01" + item) for item in versioned]
        fields |= {"maxFeePerBlobGas": draw(WEI), "blobVersionedHashes": hashes}
    if kind == 4:
        authorization = {"chainId": 0, "address": draw(ADDRESS), "nonce": draw(COUNT)}
        fields["authorizationList"] = [KEY.sign_authorization(authorization)]
    return fields


def as_answered(fields: dict[str, Any], signed: Any) -> dict[str, Any]:
    """The transaction in a node's words."""
    quantities = {
        *("nonce", "gas", "value", "chainId", "gasPrice", "maxFeePerGas"),
        *("maxPriorityFeePerGas", "maxFeePerBlobGas"),
    }
    answer = {name: hex(fields[name]) for name in quantities & fields.keys()}
    answer |= {"type": hex(fields.get("type", 0)), "input": data(fields["data"])}
    answer |= {"to": data(fields["to"]) if fields["to"] else None}
    answer |= {"r": hex(signed.r), "s": hex(signed.s)}
    answer["yParity" if fields.get("type") else "v"] = hex(signed.v)
    for name in ("accessList", "blobVersionedHashes"):
        if name in fields:
            answer[name] = fields[name]
    if "authorizationList" in fields:
        answer["authorizationList"] = [
            {
                "chainId": hex(item.chain_id),
                "address": data(item.address),
                "nonce": hex(item.nonce),
                "yParity": hex(item.y_parity),
                "r": hex(item.r),
                "s": hex(item.s),
            }
            for item in fields["authorizationList"]
        ]
    return answer


@pytest.mark.parametrize("kind", range(5))
@search(40)
@given(draw=st.data())
def test_hashes_as_the_account_library_does(kind: int, draw: st.DataObject) -> None:
    fields = draw.draw(transactions(kind))
    signed = KEY.sign_transaction(fields)
    assert keccak256(encode_transaction(as_answered(fields, signed))) == bytes(signed.hash)


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "name", ["accessList", "blobVersionedHashes", "authorizationList", "to", "input", "type", "r"]
)
@search(40)
@given(junk=JUNK)
def test_junk_in_a_field_is_refused_or_reads_as_nothing(name: str, junk: Any) -> None:
    """Through `prove_block` even an AttributeError is a refusal; a strange exception is not."""
    legacy = dict.fromkeys(("nonce", "gasPrice", "gas", "value", "v", "r", "s"), "0x1")
    typed = legacy | {"type": "0x4", "chainId": "0x1", "yParity": "0x1", "input": "0x"}
    typed |= {"maxPriorityFeePerGas": "0x1", "maxFeePerGas": "0x1", "maxFeePerBlobGas": "0x1"}
    if name == "blobVersionedHashes":
        typed["type"] = "0x3"
    honest = encode_transaction(typed)
    try:
        encoded = encode_transaction(typed | {name: junk})
    except (UnprovenError, AttributeError):
        return
    assert encoded == honest
    assert junk in (None, [])
