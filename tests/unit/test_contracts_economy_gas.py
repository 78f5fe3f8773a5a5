"""What the milk economy costs on a chain is what the documentation says, within a few percent."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from contracts import (
    abi,
    attestation_verifier,
    billcoin,
    devnet_ringgit,
    milk_market,
    milk_price_feed,
    minting_module,
    order_vault_factory,
    rehearsal,
    standing_orders,
)
from contracts.artifact import Artifact
from contracts.milk_price_feed import Price
from contracts.minting_module import HTST, LTLT, BatchAttestation
from contracts.rehearsal import account_address
from contracts.rehearsal_economy import LITRE, SENSORS, bytes_of
from contracts.rehearsal_standing_orders import MYR, PAYER, POLICY, WEEK_SECONDS
from contracts.standing_orders import PriceMode, StandingOrder
from devnet.anvil import Chain, anvil
from ledger.attestation import Attestation
from ledger.order import Finality
from ledger.units import UINT256_MAX, Units

DOCUMENT = Path(__file__).parents[2] / "docs" / "contracts.md"
SECTION = "### Gas of the milk economy"
TOLERANCE = 0.03
DAY_SECONDS = 86_400
OWNER, REGULATOR, SUPPLIER, DAIRY = (
    f"0x{byte:02x}" + "00" * 18 + "01" for byte in range(0xA1, 0xA5)
)
REPORTERS = [number.to_bytes(20) for number in range(0xB1, 0xB6)]


class Meter:
    """Sends transactions from any account and notes what those with a name cost."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.noted: dict[str, int] = {}
        for account in (OWNER, REGULATOR, SUPPLIER, DAIRY, PAYER.address, *map(hexed, REPORTERS)):
            self.rpc("anvil_setBalance", account, hex(10**20))

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = Request(  # noqa: S310 - a loopback address of our own
            self.chain.http_url, body.encode(), {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=60) as response:  # noqa: S310 - as above
            answer = json.load(response)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def now(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003

    def send(self, sender: str, data: bytes, to: bytes | None = None, *, note: str = "") -> Any:
        transaction = {"from": sender, "data": hexed(data), "gas": hex(16_777_216)}
        if to is not None:
            transaction["to"] = hexed(to)
        sent = self.rpc("eth_sendTransaction", transaction)
        receipt = None
        while receipt is None:  # the block is made a moment after the answer; pytest has a timeout
            receipt = self.rpc("eth_getTransactionReceipt", sent)
        assert receipt["status"] == "0x1", (note, receipt)
        if note:
            self.noted[note] = int(receipt["gasUsed"], 16)
        return receipt


def hexed(data: bytes) -> str:
    return f"0x{data.hex()}"


class Deployed:
    """A contract on that chain, called by the names in its ABI."""

    def __init__(self, meter: Meter, artifact: Artifact, code: bytes, note: str = "") -> None:
        self.meter, self.artifact = meter, artifact
        self.address = bytes_of(meter.send(OWNER, code, note=note)["contractAddress"])

    def call(self, sender: str, function: str, *arguments: Any, note: str = "") -> None:
        data = abi.call_data(self.artifact, function, *arguments)
        self.meter.send(sender, data, self.address, note=note)


class Stage:
    """Everything deployed and approved, on a fresh chain."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.bill = Deployed(meter, billcoin.artifact(), billcoin.init_code())
        self.ringgit = Deployed(meter, devnet_ringgit.artifact(), devnet_ringgit.init_code())
        mint_terms = minting_module.Terms(
            bill=self.bill.address,
            subsidy_token=self.ringgit.address,
            regulator=bytes_of(REGULATOR),
            delay_seconds=DAY_SECONDS,
            standards=(HTST, LTLT),
            max_age_seconds=DAY_SECONDS,
            second_sensor_above_litres=Units(1_000 * LITRE),
            subsidy_per_litre=LITRE // 10,
        )
        self.module = Deployed(
            meter,
            minting_module.artifact(),
            minting_module.init_code(mint_terms),
            "deploy `minting_module`",
        )
        market_terms = milk_market.Terms(
            bill=self.bill.address,
            dairy_register=self.module.address,
            settlement_token=self.ringgit.address,
            regulator=bytes_of(REGULATOR),
            delay_seconds=DAY_SECONDS,
            settlement_per_litre=3 * LITRE,
            review_seconds=DAY_SECONDS,
            judgement_seconds=DAY_SECONDS,
        )
        self.market = Deployed(
            meter,
            milk_market.artifact(),
            milk_market.init_code(market_terms),
            "deploy `milk_market`",
        )
        self.feed = Deployed(
            meter,
            milk_price_feed.artifact(),
            milk_price_feed.init_code(
                delay_seconds=DAY_SECONDS, reporters=REPORTERS, policy=POLICY
            ),
            "deploy `milk_price_feed`, 5 reporters",
        )
        factory = Deployed(meter, order_vault_factory.artifact(), order_vault_factory.init_code())
        code = standing_orders.init_code(
            bill=self.bill.address,
            order_vault_factory=factory.address,
            delay_seconds=DAY_SECONDS,
            feed=self.feed.address,
            max_price_age_seconds=DAY_SECONDS,
        )
        self.standing = Deployed(
            meter, standing_orders.artifact(), code, "deploy `standing_orders`"
        )
        self.appoint()

    def appoint(self) -> None:
        year = 1970 + int(self.meter.now() / 31_556_952)
        dairy = bytes_of(DAIRY)
        self.bill.call(OWNER, "set_minter", self.module.address, True)  # noqa: FBT003
        self.module.call(REGULATOR, "approve_dairy", dairy, note="`approve_dairy`")
        for sensor in SENSORS[:2]:
            self.module.call(
                REGULATOR, "approve_sensor", account_address(sensor), dairy, note="`approve_sensor`"
            )
        # One year more on either side: the chain's clock may stand at a turn of the year.
        for each in (year - 1, year, year + 1):
            self.module.call(REGULATOR, "set_quota", dairy, each, 10**6 * LITRE, note="`set_quota`")
        self.market.call(REGULATOR, "approve_supplier", bytes_of(SUPPLIER), 1)
        self.ringgit.call(OWNER, "mint", self.module.address, 1_104 * LITRE // 10)
        self.ringgit.call(OWNER, "mint", self.market.address, 10**6 * LITRE)
        self.bill.call(DAIRY, "approve", self.market.address, UINT256_MAX)
        self.bill.call(DAIRY, "approve", self.module.address, UINT256_MAX)
        self.bill.call(PAYER.address, "approve", self.standing.address, UINT256_MAX)

    def submit(self, number: int, litres: int, *sensors: LocalAccount, note: str) -> None:
        now = self.meter.now()
        attestation = BatchAttestation(
            dairy=bytes_of(DAIRY),
            sensor=account_address(sensors[0]),
            batch_id=batch_id_of(number),
            litres=Units(litres),
            temperature_milli_celsius=72_500,
            holding_milliseconds=16_000,
            started_at_seconds=now - 3_600,
            ended_at_seconds=now,
            nonce=number,
        )
        message = minting_module.attestation_typed_data(
            attestation, chain_id=self.meter.chain.chain_id, module=self.module.address
        )
        signatures = [tuple(rehearsal.sign(sensor, message)) for sensor in sensors]
        argument = (
            *(attestation.dairy, attestation.sensor),
            *minting_module.attestation_argument(attestation)[2:],
        )
        self.module.call(OWNER, "submit_batch", argument, signatures, note=note)

    def collection(self, order: StandingOrder) -> Any:
        message = standing_orders.standing_order_typed_data(
            order, chain_id=self.meter.chain.chain_id, contract=self.standing.address
        )
        words = standing_orders.order_argument(order)[2:]
        return (order.payer, order.merchant, *words), tuple(rehearsal.sign(PAYER, message))


def batch_id_of(number: int) -> bytes:
    return abi.keccak256(f"batch {number}".encode())


def mint(stage: Stage) -> None:
    stage.submit(1, LITRE, SENSORS[0], note="`submit_batch`, a dairy's first, with subsidy")
    stage.submit(2, LITRE, SENSORS[0], note="`submit_batch`, later ones, with subsidy")
    stage.submit(3, 1_001 * LITRE, *SENSORS[:2], note="`submit_batch` with a second sensor")
    stage.submit(4, 600 * LITRE, SENSORS[0], note="`submit_batch` while the pool is short")
    stage.module.call(
        *(REGULATOR, "recall_batch", bytes_of(DAIRY), batch_id_of(2), "listeria"),
        note="`recall_batch`",
    )
    stage.module.call(DAIRY, "settle_recall", bytes_of(DAIRY), LITRE // 2, note="`settle_recall`")
    stage.submit(5, LITRE, SENSORS[0], note="`submit_batch` that makes a recall good")


def spend(stage: Stage) -> None:
    market, proof = stage.market, batch_id_of(9)
    deadline = stage.meter.now() + 30 * DAY_SECONDS
    market.call(
        *(SUPPLIER, "list_offer", 2 * LITRE, 100, proof, deadline, DAY_SECONDS), note="`list_offer`"
    )
    for _ in range(4):
        market.call(DAIRY, "buy", 1, 1, note="`buy`")
    market.call(DAIRY, "confirm_delivery", 1)
    market.call(DAIRY, "confirm_delivery", 2, note="`confirm_delivery`: burn, receipt, settlement")
    market.call(SUPPLIER, "report_delivery", 3, proof, note="`report_delivery`")
    market.call(DAIRY, "dispute", 3, proof, note="`dispute`")
    market.call(REGULATOR, "judge", 3, LITRE, note="`judge`: split")
    stage.meter.rpc("evm_increaseTime", hex(DAY_SECONDS + 60))
    stage.meter.rpc("evm_mine")
    market.call(OWNER, "close_overdue", 4, note="`close_overdue`: refund")


def price(stage: Stage) -> None:
    for milk in (320_000_000, 321_000_000):
        for number, reporter in enumerate(REPORTERS):
            note = {0: "`report`, first of a round", 1: "`report`, later ones"}.get(number)
            note = note or ("`report` that closes a round of 5" if number == 4 else "")
            stage.feed.call(hexed(reporter), "report", milk + number, note=note)


def collect(stage: Stage) -> None:
    order = StandingOrder(
        payer=account_address(PAYER),
        merchant=b"\xc1" * 20,
        into_vaults=False,
        litres=Units(2 * LITRE),
        period_seconds=WEEK_SECONDS,
        price_mode=PriceMode.FIXED,
        fixed_price=Price(6 * MYR),
        max_price=Price(7 * MYR),
        rate=Price(3 * MYR),
        starts_at_seconds=stage.meter.now() - 60,
        ends_at_seconds=stage.meter.now() + 99 * WEEK_SECONDS,
        nonce=2**64,
    )
    stage.bill.call(DAIRY, "transfer", order.payer, 900 * LITRE)
    milk = replace(order, price_mode=PriceMode.ALL_MILK)

    def call(*orders: StandingOrder, note: str) -> None:
        collections = [stage.collection(each) for each in orders]
        stage.standing.call(OWNER, "collect", collections, note=note)

    call(replace(order, nonce=2**65), note="")
    call(order, note="`collect` one, fixed price")
    call(order, note="`collect` one that is not due (skipped)")
    call(replace(milk, nonce=2**66), note="`collect` one, all-milk price")
    call(
        replace(order, nonce=2**67, into_vaults=True), note="`collect` one into a new order address"
    )
    call(
        *(replace(milk, nonce=2**68 + number) for number in range(standing_orders.MAX_COLLECTIONS)),
        note="`collect` 32, all-milk price",
    )
    stage.standing.call(PAYER.address, "cancel", 2**64, note="`cancel`")


def govern(stage: Stage) -> None:
    payload = abi.call_data(minting_module.artifact(), "set_limits", 3_600, LITRE)
    stage.module.call(OWNER, "queue_change", payload, note="`queue_change`")
    stage.meter.rpc("evm_increaseTime", hex(DAY_SECONDS + 60))
    stage.module.call(OWNER, "execute_change", payload, note="`execute_change`")


def attest(stage: Stage) -> None:
    verifier = Deployed(
        stage.meter,
        attestation_verifier.artifact(),
        attestation_verifier.init_code(
            delay_seconds=DAY_SECONDS, signers=[account_address(SENSORS[0])]
        ),
        "deploy `attestation_verifier`, one signer",
    )
    attestation = Attestation(
        order_key=b"\x01" * 32,
        tx_hash=b"\x02" * 32,
        block_number=0,
        block_hash=bytes.fromhex(
            stage.meter.rpc("eth_getBlockByNumber", "0x0", False)["hash"][2:]  # noqa: FBT003
        ),
        token=stage.bill.address,
        treasury=b"\x05" * 20,
        amount_due=Units(LITRE),
        amount_received=Units(LITRE),
        finality=Finality.INCLUDED,
        consumer=bytes_of(OWNER),
        issued_at_seconds=stage.meter.now(),
        expires_at_seconds=stage.meter.now() + DAY_SECONDS,
    )
    message = attestation_verifier.attestation_typed_data(
        attestation, chain_id=stage.meter.chain.chain_id, verifier=verifier.address
    )
    signed = SENSORS[0].sign_message(encode_typed_data(full_message=message)).signature
    verifier.call(OWNER, "consume", attestation.values(), bytes(signed), note="`consume`")
    verifier.call(OWNER, "revoke_signer", account_address(SENSORS[0]), note="`revoke_signer`")


async def measure() -> dict[str, int]:
    async with anvil(hardfork="shanghai", arguments=("--auto-impersonate",)) as chain:
        meter = Meter(chain)
        stage = Stage(meter)
        for act in (attest, mint, spend, price, collect, govern):
            act(stage)
        return meter.noted


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    return asyncio.run(measure())


def documented() -> dict[str, int]:
    section = DOCUMENT.read_text(encoding="utf-8").split(SECTION)[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| ([\d,]+) \|$", section, re.MULTILINE)
    return {name: int(gas.replace(",", "")) for name, gas in rows}


def test_the_gas_table_is_what_a_chain_charges(measured: dict[str, int]) -> None:
    table = documented()

    assert table.keys() == measured.keys()
    wrong = {
        name: (table[name], gas)
        for name, gas in measured.items()
        if abs(gas - table[name]) > TOLERANCE * table[name]
    }
    assert wrong == {}


def test_a_full_list_of_collections_fits_one_transaction(measured: dict[str, int]) -> None:
    eip_7825_limit = 16_777_216

    assert measured["`collect` 32, all-milk price"] < eip_7825_limit // 4
