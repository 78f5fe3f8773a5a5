"""What an indexer decodes with, and what a deployer sends, follow from the committed ABIs."""

from types import ModuleType

import boa
import pytest

from contracts import (
    abi,
    billcoin,
    milk_market,
    milk_price_feed,
    minting_module,
    rehearsal,
    standing_orders,
    timelock,
)
from contracts.rehearsal_market import deploy_market

LOADERS = [milk_market, milk_price_feed, minting_module, standing_orders]


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
def test_every_event_that_a_loader_names_is_in_its_contract(loader: ModuleType) -> None:
    topics = abi.events_by_topic(loader.artifact())

    for name in (*loader.EVENTS, *timelock.EVENTS):
        assert topics[abi.event_topic(loader.artifact(), name)]["name"] == name


OWNERSHIP = {"transfer_ownership", "accept_ownership", "renounce_ownership"}
CHANGES = {"queue_change", "execute_change", "cancel_change"}
POOL = {"fund_payouts", "claim_payout", "withdraw_surplus", "set_payout_per_litre"}
WRITERS = {
    milk_market: POOL
    | {"set_regulator", "approve_supplier", "revoke_supplier", "list_offer", "withdraw_offer"}
    | {"buy", "report_delivery", "confirm_delivery", "decline", "dispute", "judge"}
    | {"close_overdue"},
    milk_price_feed: {"report", "close_round", "confirm_held_price"}
    | {"approve_reporter", "revoke_reporter", "set_policy"},
    minting_module: POOL
    | {"set_regulator", "set_standards", "set_limits", "pause", "unpause"}
    | {"approve_dairy", "revoke_dairy", "approve_sensor", "revoke_sensor", "set_quota"}
    | {"submit_batch", "recall_batch", "settle_recall"},
    standing_orders: {"collect", "permit_and_collect", "cancel", "cancel_by_signature"}
    | {"set_feed"},
}


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
def test_every_function_that_changes_something_is_listed_here(loader: ModuleType) -> None:
    """Who reads this list has read all of what anybody, an admin included, can do."""
    kinds: dict[str, set[str]] = {}
    for entry in loader.artifact().abi:
        if entry["type"] == "function":
            kinds.setdefault(entry["stateMutability"], set()).add(entry["name"])

    assert kinds["nonpayable"] == WRITERS[loader] | OWNERSHIP | CHANGES
    assert "payable" not in kinds


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
def test_no_two_events_of_a_contract_share_a_name(loader: ModuleType) -> None:
    names = [entry["name"] for entry in loader.artifact().abi if entry["type"] == "event"]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
def test_every_contract_fits_the_limit_of_eip_170(loader: ModuleType) -> None:
    assert len(loader.artifact().runtime) <= 24_576


def test_a_topic_is_that_of_the_standard() -> None:
    topic = abi.event_topic(billcoin.artifact(), "Transfer")

    assert topic.hex() == "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    answer = abi.event_topic(milk_price_feed.artifact(), "AnswerUpdated")
    assert answer.hex() == "0559884fd3a460db3073b7fc896cc77986f16e378210ded43186175bf646fc5f"


def test_structs_are_tuples_in_a_signature() -> None:
    assert (
        abi.signature(
            {
                "name": "f",
                "inputs": [
                    {
                        "type": "tuple[2]",
                        "components": [
                            {"type": "address"},
                            {"type": "tuple", "components": [{"type": "bytes32"}]},
                        ],
                    },
                    {"type": "uint8"},
                ],
            }
        )
        == "f((address,(bytes32))[2],uint8)"
    )


def test_what_is_not_there_is_not_found() -> None:
    with pytest.raises(KeyError):
        abi.event_topic(billcoin.artifact(), "Nothing")
    with pytest.raises(KeyError):
        abi.call_data(billcoin.artifact(), "nothing")


def test_call_data_is_what_the_contract_understands() -> None:
    with rehearsal.fresh_state():
        market = deploy_market()
        data = abi.call_data(
            milk_market.artifact(), "revoke_supplier", bytes.fromhex(market.supplier[2:])
        )
        boa.env.raw_call(market.contract.address, sender=market.mint.regulator, data=data)

        assert market.contract.supplier_kind(market.supplier) == 0
