"""What a node answers for the contract is taken for its words only where it can be."""

from typing import cast

import pytest
from eth_abi.abi import encode

from ledger.store.standing_orders import StandingRecord
from oracle_api.standing_orders.keeper import NO_ANSWER, Assessed, read_assessment

RECORD = cast("StandingRecord", object())


def answer(refusal: str) -> bytes:
    return encode(["(bytes32,uint256,uint256,uint256,string)"], [(bytes(32), 7, 6, 4, refusal)])


@pytest.mark.parametrize("refusal", ["", "insufficient allowance"])
def test_the_contract_s_words_are_taken_as_they_are(refusal: str) -> None:
    assert read_assessment(RECORD, answer(refusal)) == Assessed(RECORD, 7, 6, 4, refusal)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff" * 64,
        answer("due")[:-40],
        # Each would be a series of its own in the metrics, or is no text for the database.
        answer("x" * 33),
        answer("not due\x00"),
        answer("\x1b[2J"),
    ],
)
def test_what_the_contract_cannot_have_said_is_no_answer(said: bytes) -> None:
    assert read_assessment(RECORD, said).refusal == NO_ANSWER
