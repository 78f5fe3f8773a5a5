"""Why a contract refused, as different nodes tell it."""

import pytest
from eth_abi.abi import encode

from contracts.revert import REASON_CHARACTERS_MAX, is_revert, revert_reason

WORDS = "minting_module: nonce is used"
DATA = "0x08c379a0" + encode(["string"], [WORDS]).hex()


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": "revert", "data": DATA},
        {"code": 3, "message": f"execution reverted: {WORDS}", "data": DATA},
        {"code": 3, "message": f'execution reverted: {WORDS}, data: "{DATA}"'},
        {"code": -32000, "message": f"execution reverted: {WORDS}"},
        {"code": -32603, "message": "reverted", "data": {"data": DATA, "message": "?"}},
    ],
)
def test_the_contracts_words_are_found_wherever_a_node_puts_them(error: dict[str, object]) -> None:
    assert is_revert(error["code"], str(error["message"]))
    assert revert_reason(error) == WORDS


@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        "0x",
        "0x08c379a0",
        "0x08c379a0ff",
        "0xzz",
        "0x12345678",
        7,
        {"data": None},
        DATA[:90],
        # Lengths and places beyond anything that a machine can count.
        "0x08c379a0" + "00" * 31 + "20" + "ff" * 32,
        "0x08c379a0" + "ff" * 64,
    ],
)
def test_no_reason_is_made_up(data: object) -> None:
    assert revert_reason({"code": 3, "message": "execution reverted", "data": data}) is None
    assert revert_reason({"code": 3, "message": "revert", "data": data}) is None


def test_words_give_no_terminal_an_order() -> None:
    data = "0x08c379a0" + encode(["string"], ["\x1b[2Jpaid\r\n"]).hex()
    assert revert_reason({"message": "revert", "data": data}) == "[2Jpaid"


def test_a_failed_check_of_the_compiler_has_its_number() -> None:
    data = "0x4e487b71" + encode(["uint256"], [0x11]).hex()
    assert revert_reason({"code": 3, "message": "revert", "data": data}) == "panic 0x11"


def test_a_flood_of_words_is_cut_and_bad_text_is_no_error() -> None:
    flood = "0x08c379a0" + encode(["string"], ["a" * 100_000]).hex()
    assert len(revert_reason({"message": "revert", "data": flood}) or "") == REASON_CHARACTERS_MAX
    not_utf8 = "0x08c379a0" + encode(["bytes"], [b"\xff\xfe"]).hex()
    assert revert_reason({"message": "revert", "data": not_utf8}) is None


def test_a_node_that_refuses_by_itself_is_no_contract() -> None:
    assert not is_revert(-32602, '"pending" is not yet supported')
    assert not is_revert(None, "rate limited")
