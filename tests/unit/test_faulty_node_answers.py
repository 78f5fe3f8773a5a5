"""The node answers truly without faults, and each fault spoils just what its name says."""

# ruff: noqa: S311 - a test wants the same numbers each time

from pathlib import Path
from random import Random
from typing import Any

import pytest

from contracts.order_vault_factory import runtime_code
from devnet.faulty_node.catalogue import BY_NAME, FAULTS, Place
from devnet.faulty_node.control import steer
from devnet.faulty_node.model import WALLET_UNITS, ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.switches import FaultSwitches
from devnet.faulty_node.tampering import TAMPERINGS
from devnet.faulty_node.view import RpcRefusal
from devnet.faulty_node_commands import turn_on_from_text
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.keccak import keccak256
from ledger.transfer import TRANSFER_TOPIC

PAYEE = bytes(range(1, 21))


@pytest.fixture
def node() -> FaultyNode:
    model = ChainModel(Random(1))
    for units in (5, 6, 7):
        model.mine([model.pay(PAYEE, units), model.pay(PAYEE, 1)])
    model.declare(safe=3, finalized=2)
    return FaultyNode(model, FaultSwitches(1))


def _head(node: FaultyNode) -> Any:
    return node.answer("eth_getBlockByNumber", ["latest", False])["number"]


def test_blocks_come_by_number_tag_and_hash(node: FaultyNode) -> None:
    newest = node.answer("eth_getBlockByNumber", ["latest", True])
    assert newest == node.answer("eth_getBlockByHash", [newest["hash"], True])
    assert newest == node.answer("eth_getBlockByNumber", ["0x4", True])
    assert [item["hash"] for item in newest["transactions"]] == node.answer(
        "eth_getBlockByHash", [newest["hash"], False]
    )["transactions"]
    tags = ("earliest", "safe", "finalized", "pending")
    numbers = [node.answer("eth_getBlockByNumber", [tag, False])["number"] for tag in tags]
    assert numbers == ["0x0", "0x3", "0x2", "0x4"]
    assert node.answer("eth_blockNumber", []) == "0x4"
    assert node.answer("eth_getBlockByNumber", ["0x5", False]) is None
    assert node.answer("eth_getBlockByHash", [to_hex(bytes(32)), False]) is None


def test_receipts_come_by_number_and_hash(node: FaultyNode) -> None:
    by_number = node.answer("eth_getBlockReceipts", ["0x4"])
    assert by_number == node.answer("eth_getBlockReceipts", [to_hex(node.model.head.hash)])
    assert len(by_number) == 2
    assert node.answer("eth_getBlockReceipts", [to_hex(bytes(32))]) is None


def test_logs_are_filtered_by_range_address_and_topics(node: FaultyNode) -> None:
    wanted = {
        "fromBlock": "0x2",
        "toBlock": "latest",
        "address": to_hex(node.model.deployment.token),
        "topics": [to_hex(TRANSFER_TOPIC), None, to_hex(PAYEE.rjust(32, b"\0"))],
    }
    logs = node.answer("eth_getLogs", [wanted])
    assert [int(log["data"], 16) for log in logs] == [5, 1, 6, 1, 7, 1]
    of_a_block = {"blockHash": to_hex(node.model.head.hash), "topics": [[to_hex(TRANSFER_TOPIC)]]}
    assert len(node.answer("eth_getLogs", [of_a_block])) == 2
    assert node.answer("eth_getLogs", [wanted | {"address": to_hex(PAYEE)}]) == []
    with pytest.raises(RpcRefusal):
        node.answer("eth_getLogs", [{"blockHash": to_hex(bytes(32))}])


def test_contracts_have_code_from_block_one_on(node: FaultyNode) -> None:
    deployment = node.model.deployment
    factory = node.answer("eth_getCode", [to_hex(deployment.vault_factory), "latest"])
    assert factory == to_hex(runtime_code(implementation=deployment.vault_implementation))
    assert node.answer("eth_getCode", [to_hex(deployment.token), "latest"]) != "0x"
    assert node.answer("eth_getCode", [to_hex(deployment.token), "0x0"]) == "0x"
    assert node.answer("eth_getCode", [to_hex(PAYEE), "latest"]) == "0x"


def test_balances_and_supply_follow_from_the_transfers(node: FaultyNode) -> None:
    token = to_hex(node.model.deployment.token)
    supply = {"to": token, "data": to_hex(keccak256(b"totalSupply()")[:4])}
    balance = {
        "to": token,
        "input": to_hex(keccak256(b"balanceOf(address)")[:4] + PAYEE.rjust(32, b"\0")),
    }
    assert int(node.answer("eth_call", [supply, "latest"]), 16) == 4 * WALLET_UNITS
    assert int(node.answer("eth_call", [balance, "latest"]), 16) == 21
    assert int(node.answer("eth_call", [balance, "0x2"]), 16) == 6
    by_hash = {"blockHash": to_hex(node.model.head.hash)}
    assert int(node.answer("eth_call", [balance, by_hash]), 16) == 21


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_nothing", []),
        ("eth_getBlockByNumber", []),
        ("eth_getBlockByNumber", ["seven", False]),
        ("eth_getBlockByHash", [7, False]),
        ("eth_call", [{}, "latest"]),
    ],
)
def test_nonsense_is_refused_in_the_protocol_s_own_way(
    node: FaultyNode, method: str, params: list[Any]
) -> None:
    with pytest.raises(RpcRefusal):
        node.answer(method, params)


def test_a_lagging_node_lacks_what_is_new(node: FaultyNode) -> None:
    newest = to_hex(node.model.head.hash)
    node.faults.turn_on("lagging_node_null", amount=2)
    assert _head(node) == "0x2"
    assert node.answer("eth_getBlockByHash", [newest, True]) is None
    assert node.answer("eth_getBlockReceipts", [newest]) is None
    node.faults.turn_off("lagging_node_null")
    node.faults.turn_on("lagging_node_empty", amount=2)
    assert node.answer("eth_getBlockReceipts", [newest]) == []


def test_pruned_history_is_an_error(node: FaultyNode) -> None:
    node.faults.turn_on("pruned_history", amount=1)
    assert _head(node) == "0x4"
    with pytest.raises(RpcRefusal) as refusal:
        node.answer("eth_getBlockByNumber", ["0x1", True])
    assert refusal.value.code == 4444


def test_a_flipping_head_alternates_between_two_branches(node: FaultyNode) -> None:
    node.faults.turn_on("flipping_head", amount=2)
    heads = [node.answer("eth_getBlockByNumber", ["latest", False])["hash"] for _ in range(4)]
    assert heads[0] == heads[2] != heads[1] == heads[3]
    assert to_hex(node.model.head.hash) in heads


@pytest.mark.parametrize("name", ["fake_deep_reorg", "reorg_past_what_we_keep"])
def test_a_false_chain_links_from_below_what_is_final(node: FaultyNode, name: str) -> None:
    node.faults.turn_on(name, amount=1)
    block = node.answer("eth_getBlockByNumber", ["latest", True])
    number = int(block["number"], 16)
    assert number > node.model.head.number
    while number > 1:
        block = node.answer("eth_getBlockByHash", [block["parentHash"], True])
        number -= 1
        assert block == node.answer("eth_getBlockByNumber", [hex(number), True])
    assert block["hash"] == to_hex(node.model.at(1).hash)
    assert bool(node.answer("eth_syncing", [])) is (name == "fake_deep_reorg")


@pytest.mark.parametrize("name", [name for name in TAMPERINGS if name != "wrong_chain_id"])
def test_a_tampered_answer_differs_and_the_model_stays_as_it_was(
    node: FaultyNode, name: str
) -> None:
    token = {"address": to_hex(node.model.deployment.token), "fromBlock": "0x4"}
    newest = to_hex(node.model.head.hash)
    questions = [
        ("eth_getBlockByHash", [newest, True]),
        ("eth_getBlockReceipts", [newest]),
        ("eth_getLogs", [token]),
    ]
    true = [node.answer(*question) for question in questions]
    head = node.model.head
    node.faults.turn_on(name)
    spoilt = [node.answer(*question) for question in questions]
    assert node.faults.injected[name] >= 1
    assert spoilt != true or node.model.head != head
    node.faults.clear()
    assert [node.answer(*question) for question in questions[:2]] == true[:2]


def test_a_fault_strikes_as_often_as_it_was_told(node: FaultyNode) -> None:
    node.faults.turn_on("http_500", times=2, methods=["eth_chainId"])
    struck = [node.wire_fault("eth_chainId", []) is not None for _ in range(4)]
    assert struck == [True, True, False, False]
    assert node.wire_fault("eth_blockNumber", []) is None
    assert node.faults.injected["http_500"] == 2


def test_draws_depend_on_the_question_and_not_on_the_order() -> None:
    def draws(order: list[int]) -> dict[int, bool]:
        node = FaultyNode(ChainModel(Random(1)), FaultSwitches("seed"))
        node.faults.turn_on("http_500", probability=0.5)
        return {key: node.wire_fault("eth_call", [key]) is not None for key in order}

    keys = list(range(50))
    assert draws(keys) == draws(keys[::-1])
    assert 10 < sum(draws(keys).values()) < 40


def test_a_fault_is_switched_on_by_a_line_of_text() -> None:
    faults = FaultSwitches()
    turn_on_from_text(faults, "slow_answer,probability=0.5,times=3,amount=2,method=eth_call")
    assert faults.names() == ("slow_answer",)
    for text in ("nothing", "http_500,times=x", "http_500,color=red", "http_500,probability=2"):
        with pytest.raises(RejectedError):
            turn_on_from_text(faults, text)


def test_a_person_steers_the_node_over_its_own_methods(node: FaultyNode) -> None:
    status = steer(node, "faulty_set", ["http_500", {"times": 1}])
    assert status["faults"] == ["http_500"]
    assert steer(node, "faulty_clear", [])["faults"] == []
    mined = steer(node, "faulty_mine", [2, [{"to": to_hex(PAYEE), "units": "9"}]])
    assert mined["head"]["number"] == 6
    assert sum(1 for _ in node.model.at(5).transfers()) == 1
    assert steer(node, "faulty_reorg", [2, 3, True])["head"]["number"] == 7
    assert sum(1 for _ in node.model.at(5).transfers()) == 1
    assert steer(node, "faulty_declare", [6, 5])["finalized"] == 5
    for method, params in (
        ("faulty_nothing", []),
        ("faulty_set", ["nothing"]),
        ("faulty_mine", [0]),
        ("faulty_reorg", [99]),
    ):
        with pytest.raises(RpcRefusal):
            steer(node, method, params)


def test_the_catalogue_is_whole() -> None:
    assert len(BY_NAME) == len(FAULTS)
    answered = {fault.name for fault in FAULTS if fault.place is Place.ANSWER}
    assert answered == TAMPERINGS.keys()


def test_the_documentation_names_every_fault() -> None:
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    assert [name for name in BY_NAME if f"| `{name}` |" not in text] == []
