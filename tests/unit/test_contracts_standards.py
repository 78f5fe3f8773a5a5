"""Names, selectors and type hashes are those of the standards, to the letter."""

from contracts import billcoin, rehearsal
from contracts.artifact import AbiEntry
from ledger.keccak import keccak256


def signature(entry: AbiEntry) -> str:
    return f"{entry['name']}({','.join(field['type'] for field in entry['inputs'])})"


def test_the_type_hashes_are_those_of_the_standard() -> None:
    with rehearsal.fresh_state():
        bill = rehearsal.deploy_billcoin()
        on_chain = (
            bill.TRANSFER_WITH_AUTHORIZATION_TYPEHASH(),
            bill.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(),
            bill.CANCEL_AUTHORIZATION_TYPEHASH(),
        )
    standard = "address from,address to,uint256 value,uint256 validAfter,uint256 validBefore"
    transfer = keccak256(f"TransferWithAuthorization({standard},bytes32 nonce)".encode())
    receive = keccak256(f"ReceiveWithAuthorization({standard},bytes32 nonce)".encode())
    cancel = keccak256(b"CancelAuthorization(address authorizer,bytes32 nonce)")

    assert transfer.hex() == "7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267"
    assert on_chain == (transfer, receive, cancel)


def test_the_selectors_are_those_of_the_standard() -> None:
    selectors = {
        entry["name"]: keccak256(signature(entry).encode())[:4].hex()
        for entry in billcoin.artifact().abi
        if entry["type"] == "function"
    }

    assert selectors["transferWithAuthorization"] == "e3ee160e"
    assert selectors["receiveWithAuthorization"] == "ef55bec6"
    assert selectors["cancelAuthorization"] == "5a049a70"
    assert selectors["authorizationState"] == "e94a0102"


def test_the_events_are_those_of_erc_20_and_erc_3009() -> None:
    events = {
        (signature(entry), tuple(field["indexed"] for field in entry["inputs"]))
        for entry in billcoin.artifact().abi
        if entry["type"] == "event"
    }

    assert {
        ("Transfer(address,address,uint256)", (True, True, False)),
        ("Approval(address,address,uint256)", (True, True, False)),
        ("AuthorizationUsed(address,bytes32)", (True, True)),
        ("AuthorizationCanceled(address,bytes32)", (True, True)),
    } <= events


def test_the_token_has_every_function_of_erc_20_erc_2612_and_erc_5267() -> None:
    functions = {
        signature(entry) for entry in billcoin.artifact().abi if entry["type"] == "function"
    }

    assert {
        *("name()", "symbol()", "decimals()", "totalSupply()", "balanceOf(address)"),
        *("transfer(address,uint256)", "transferFrom(address,address,uint256)"),
        *("approve(address,uint256)", "allowance(address,address)"),
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
        *("nonces(address)", "DOMAIN_SEPARATOR()", "eip712Domain()"),
    } <= functions
