"""All contracts of the milk economy together: whatever anybody does, the sums hold."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import boa
import pytest
from eth_account.signers.local import LocalAccount
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from contracts import rehearsal
from contracts.milk_market import PurchaseState
from contracts.milk_price_feed import Price
from contracts.minting_module import BatchAttestation
from contracts.rehearsal import account_address, now_seconds
from contracts.rehearsal_economy import (
    LITRE,
    POOL_UNITS,
    QUOTA,
    SECOND_SENSOR_ABOVE,
    SENSORS,
    SUBSIDY_PER_LITRE,
    YEAR,
    bytes_of,
    deploy_mint,
    set_time,
)
from contracts.rehearsal_market import (
    DELIVERY_SECONDS,
    JUDGEMENT_SECONDS,
    REVIEW_SECONDS,
    SETTLEMENT_PER_LITRE,
    deploy_market,
)
from contracts.rehearsal_standing_orders import (
    MAX_PRICE_AGE_SECONDS,
    MYR,
    PAYER,
    WEEK_SECONDS,
    deploy_standing_orders,
)
from contracts.standing_orders import PriceMode, StandingOrder, most_units_a_period, units_due
from ledger.units import UINT256_MAX, Units

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = [pytest.mark.no_cover, pytest.mark.timeout(600)]

DAY_SECONDS = 86_400
PRICE_OF_ITEM = 7 * LITRE
dairies = st.integers(min_value=0, max_value=1)
litres = st.one_of(
    st.integers(min_value=1, max_value=50).map(lambda number: number * LITRE),
    st.integers(min_value=1, max_value=1_000 * LITRE),
    st.integers(min_value=1, max_value=QUOTA),
)
parts = st.integers(min_value=0, max_value=4)
picks = st.integers(min_value=0, max_value=10**6)
FLAWS = ("none",) * 4 + ("cold", "replay", "alone", "stranger", "future", "old", "altered")

# What the search came across, so that it can be told from one that ran idle.
REACHED: Counter[str] = Counter()
STEPS_A_CHECK = 4


@dataclass
class Batch:
    attestation: BatchAttestation
    dairy: int
    recalled: bool = False


@dataclass
class Purchase:
    purchase_id: int
    dairy: int
    units: int
    state: PurchaseState
    deadline: int


class Economy:
    """Dairies, sensors, a regulator, a supplier, a payer and collectors against a plain model."""

    def __init__(self) -> None:
        self.undo = ExitStack()
        self.batches: list[Batch] = []
        self.purchases: list[Purchase] = []
        self.orders: list[tuple[StandingOrder, Any, bool]] = []
        self.next_period: Counter[int] = Counter()
        self.cancelled: set[int] = set()
        self.balances: Counter[str] = Counter()
        self.attested: Counter[tuple[int, int]] = Counter()
        self.quotas: Counter[tuple[int, int]] = Counter()
        self.debts: Counter[int] = Counter()
        self.redeemed = self.burned = self.settlement = 0
        self.price, self.price_at = 320_000_000, 0
        self.steps = 0

    def open(self) -> None:
        self.undo.enter_context(rehearsal.fresh_state())
        self.mint = deploy_mint()
        self.market = deploy_market(self.mint)
        self.delivery = deploy_standing_orders(self.mint.bill)
        self.price_at = now_seconds()
        self.bill: Any = self.mint.bill
        self.module: Any = self.mint.module
        self.dairies = (self.mint.dairy, self.mint.other_dairy)
        self.offer_id = self.market.contract.list_offer(
            *(PRICE_OF_ITEM, 10**12, bytes(32), UINT256_MAX, DELIVERY_SECONDS),
            sender=self.market.supplier,
        )
        self.quotas.update({(dairy, YEAR): QUOTA for dairy in (0, 1)})
        for dairy in (0, 1):
            self.set_quota(dairy=dairy, amount=2_000 * LITRE, next_year=True)
        for dairy in self.dairies:
            self.bill.approve(self.module.address, UINT256_MAX, sender=dairy)
        # Something to quarrel about from the first step on: unpaid subsidies, milk, escrow, orders.
        self.run_the_pools_dry_or_fill_them(short=True)
        for dairy in (0, 1):
            self.attest(dairy=dairy, amount=300 * LITRE, flaw="none", pick=0)
            self.pay_the_payer(dairy=dairy, part=2)
            self.buy(dairy=dairy, quantity=3)
        for nonce, mode in ((10, PriceMode.FIXED), (11, PriceMode.ALL_MILK)):
            order = self.delivery.order(
                nonce=nonce, price_mode=mode, period_seconds=DAY_SECONDS, max_price=Price(6 * MYR)
            )
            self.orders.append((order, self.delivery.sign(order), True))

    def attempt(self, call: Callable[[], Any], *, allowed: bool) -> Any:
        if allowed:
            return call()
        with boa.reverts():
            call()
        return None

    def move(self, owner: str, to: str, units: int) -> None:
        self.balances[owner] -= units
        self.balances[to] += units

    # Milk comes in.

    def attest(self, dairy: int, amount: int, flaw: str, pick: int) -> None:
        good = self.mint.attestation(
            amount,
            dairy=bytes_of(self.dairies[dairy]),
            sensor=account_address(SENSORS[2 * dairy]),
        )
        if flaw == "replay" and not self.batches:
            flaw = "none"
        attestation, signatures = self.spoiled(good, flaw, dairy, pick)
        year = datetime.fromtimestamp(attestation.ended_at_seconds, UTC).year
        left = self.quotas[dairy, year] - self.attested[dairy, year]
        # The second dairy has one sensor only: its batches must stay small.
        watched = amount <= SECOND_SENSOR_ABOVE or dairy == 0
        allowed = flaw == "none" and amount <= left and watched
        self.attempt(lambda: self.mint.submit(attestation, signatures), allowed=allowed)
        REACHED[f"refused: {flaw}"] += flaw != "none"
        REACHED["over quota"] += flaw == "none" and amount > left
        if allowed:
            REACHED["next year"] += year != YEAR
            self.accept(attestation, dairy, year)

    def spoiled(
        self, good: BatchAttestation, flaw: str, dairy: int, pick: int
    ) -> tuple[BatchAttestation, list[Any]]:
        now = good.ended_at_seconds
        changes: dict[str, Any] = {
            "cold": {"temperature_milli_celsius": 71_999, "holding_milliseconds": 20_000},
            "future": {"ended_at_seconds": now + 1},
            "old": {"started_at_seconds": 0, "ended_at_seconds": now - DAY_SECONDS - 1},
            "alone": {"litres": Units(SECOND_SENSOR_ABOVE + 1)},
            "stranger": {"sensor": account_address(SENSORS[3])},
        }.get(flaw, {})
        bad = replace(good, **changes)
        if flaw == "replay":
            bad = self.batches[pick % len(self.batches)].attestation
            dairy = bad.sensor == account_address(SENSORS[2])
        first = SENSORS[3] if flaw == "stranger" else SENSORS[2 * dairy]
        signatures = [self.mint.sign(bad, first)]
        if dairy == 0 and bad.litres > SECOND_SENSOR_ABOVE and flaw != "alone":
            signatures.append(self.mint.sign(bad, SENSORS[1]))
        if flaw == "altered":
            bad = replace(bad, litres=Units(bad.litres + 1))
        return bad, signatures

    def accept(self, attestation: BatchAttestation, dairy: int, year: int) -> None:
        self.batches.append(Batch(attestation, dairy))
        self.attested[dairy, year] += attestation.litres
        withheld = min(attestation.litres, self.debts[dairy])
        self.debts[dairy] -= withheld
        self.burned += withheld
        REACHED["accepted"] += 1
        REACHED["withheld"] += withheld > 0
        self.balances[self.dairies[dairy]] += attestation.litres - withheld

    def recall(self, pick: int) -> None:
        if not self.batches:
            return
        batch = self.batches[pick % len(self.batches)]
        dairy = self.dairies[batch.dairy]
        self.attempt(
            lambda: self.module.recall_batch(
                dairy, batch.attestation.batch_id, "", sender=self.mint.regulator
            ),
            allowed=not batch.recalled,
        )
        if not batch.recalled:
            REACHED["recalled"] += 1
            batch.recalled = True
            self.debts[batch.dairy] += batch.attestation.litres

    def settle_recall(self, dairy: int, part: int) -> None:
        name = self.dairies[dairy]
        units = min(self.debts[dairy], self.balances[name]) * part // 4
        self.module.settle_recall(name, units, sender=name)
        REACHED["recall settled"] += units > 0
        self.debts[dairy] -= units
        self.balances[name] -= units
        self.burned += units

    def set_quota(self, dairy: int, amount: int, next_year: bool) -> None:  # noqa: FBT001
        year = YEAR + next_year
        allowed = amount >= self.attested[dairy, year]
        self.attempt(
            lambda: self.module.set_quota(
                self.dairies[dairy], year, amount, sender=self.mint.regulator
            ),
            allowed=allowed,
        )
        if allowed:
            self.quotas[dairy, year] = amount

    def run_the_pools_dry_or_fill_them(self, short: bool) -> None:  # noqa: FBT001
        for pool in (self.module, self.market.contract):
            surplus = self.mint.ringgit.balanceOf(pool.address) - pool.payout_owed_total()
            if short and surplus > 0:
                pool.withdraw_surplus(self.mint.regulator, surplus, sender=self.mint.regulator)
            elif not short:
                self.mint.ringgit.mint(pool.address, POOL_UNITS)

    def claim_what_is_owed(self) -> None:
        for pool, payee in self.payees():
            owed = pool.payout_owed(payee)
            self.mint.ringgit.mint(pool.address, owed)
            if owed:
                pool.claim_payout(payee, owed, sender=self.mint.stranger)
                REACHED["claimed"] += 1

    def payees(self) -> list[tuple[Any, str]]:
        subsidised = [(self.module, dairy) for dairy in self.dairies]
        return [*subsidised, (self.market.contract, self.market.supplier)]

    # BILL goes round.

    def pay_the_payer(self, dairy: int, part: int) -> None:
        units = self.balances[self.dairies[dairy]] * part // 4
        self.bill.transfer(PAYER.address, units, sender=self.dairies[dairy])
        self.move(self.dairies[dairy], PAYER.address, units)

    def the_payer_burns_some(self, part: int) -> None:
        units = self.balances[PAYER.address] * part // 8
        self.bill.burn(units, sender=PAYER.address)
        self.balances[PAYER.address] -= units
        self.burned += units

    def wait(self, seconds: int) -> None:
        set_time(now_seconds() + seconds)

    # The market.

    def buy(self, dairy: int, quantity: int) -> None:
        name, units = self.dairies[dairy], quantity * PRICE_OF_ITEM
        allowed = self.balances[name] >= units
        bought = self.attempt(
            lambda: self.market.buy(self.offer_id, quantity, dairy=name), allowed=allowed
        )
        if allowed:
            self.move(name, self.market.contract.address, units)
            deadline = now_seconds() + DELIVERY_SECONDS
            self.purchases.append(Purchase(bought, dairy, units, PurchaseState.ORDERED, deadline))

    def open_purchases(self) -> list[Purchase]:
        return [one for one in self.purchases if one.state is not PurchaseState.CLOSED]

    def report_delivery(self, pick: int) -> None:
        if not self.open_purchases():
            return
        one = self.open_purchases()[pick % len(self.open_purchases())]
        self.step(one, "report_delivery", PurchaseState.DELIVERED, REVIEW_SECONDS)

    def dispute(self, pick: int) -> None:
        if not self.open_purchases():
            return
        one = self.open_purchases()[pick % len(self.open_purchases())]
        self.step(one, "dispute", PurchaseState.DISPUTED, JUDGEMENT_SECONDS)

    def step(self, one: Purchase, act: str, to: PurchaseState, seconds: int) -> None:
        sender = self.dairies[one.dairy] if act == "dispute" else self.market.supplier
        allowed = one.state == to - 1 and now_seconds() <= one.deadline
        call = getattr(self.market.contract, act)
        self.attempt(lambda: call(one.purchase_id, bytes(32), sender=sender), allowed=allowed)
        if allowed:
            REACHED["disputed" if act == "dispute" else "reported"] += 1
            one.state, one.deadline = to, now_seconds() + seconds

    def close(self, pick: int, part: int, how: str) -> None:
        if not self.open_purchases():
            return
        contract = self.market.contract
        one = self.open_purchases()[pick % len(self.open_purchases())]
        if how == "judge" and one.state is PurchaseState.ORDERED:
            self.step(one, "report_delivery", PurchaseState.DELIVERED, REVIEW_SECONDS)
        if how == "judge" and one.state is PurchaseState.DELIVERED:
            self.step(one, "dispute", PurchaseState.DISPUTED, JUDGEMENT_SECONDS)
        late = now_seconds() > one.deadline
        split = one.units * part // 4
        calls: dict[str, tuple[bool, int, Callable[[], Any]]] = {
            "confirm": (
                *(True, one.units),
                lambda: contract.confirm_delivery(one.purchase_id, sender=self.dairies[one.dairy]),
            ),
            "decline": (
                *(True, 0),
                lambda: contract.decline(one.purchase_id, sender=self.market.supplier),
            ),
            "judge": (
                *(one.state is PurchaseState.DISPUTED and not late, split),
                lambda: contract.judge(one.purchase_id, split, sender=self.mint.regulator),
            ),
            "overdue": (
                *(late, one.units if one.state is PurchaseState.DELIVERED else 0),
                lambda: contract.close_overdue(one.purchase_id, sender=self.mint.stranger),
            ),
        }
        allowed, redeemed, call = calls[how]
        self.attempt(call, allowed=allowed)
        if allowed:
            REACHED["split"] += how == "judge" and 0 < redeemed < one.units
            REACHED["overdue"] += how == "overdue"
            REACHED["redeemed" if redeemed else "refunded"] += 1
            one.state = PurchaseState.CLOSED
            self.move(contract.address, self.dairies[one.dairy], one.units - redeemed)
            self.balances[contract.address] -= redeemed
            self.redeemed += redeemed
            self.settlement += redeemed * SETTLEMENT_PER_LITRE // LITRE

    # Standing orders.

    def publish_a_price(self, change: int) -> None:
        price = self.price + self.price * change // 100
        self.delivery.feed.publish(price)
        self.price, self.price_at = price, now_seconds()

    def sign_a_standing_order(self, wish: dict[str, Any], signer: LocalAccount) -> None:
        order = self.delivery.order(fixed_price=Price(3 * MYR), **wish)
        genuine, nonce = signer is PAYER, order.nonce
        # A nonce holds one order; a payer who reuses one is a unit test's business.
        if all(other.nonce != nonce or not signed for other, _, signed in self.orders):
            signature = self.delivery.sign(order, signer)
            self.orders.append((order, signature, genuine))

    def due(self, order: StandingOrder, *, genuine: bool) -> tuple[int, int] | None:
        now = now_seconds()
        price = order.fixed_price
        if order.price_mode is PriceMode.ALL_MILK:
            price = Price(self.price)
            if now - self.price_at > MAX_PRICE_AGE_SECONDS:
                return None
        in_time = order.starts_at_seconds <= now < order.ends_at_seconds
        if not genuine or order.nonce in self.cancelled or not in_time:
            return None
        period = (now - order.starts_at_seconds) // order.period_seconds
        units = units_due(order, price=price)
        assert price > order.max_price or units <= most_units_a_period(order)
        if period < self.next_period[order.nonce] or price > order.max_price or units == 0:
            return None
        return None if self.balances[PAYER.address] < units else (period, units)

    def collect(self, chosen: list[int]) -> None:
        if not self.orders:
            return
        picked = [self.orders[pick % len(self.orders)] for pick in chosen]
        expected = 0
        for order, _, genuine in picked:
            found = self.due(order, genuine=genuine)
            REACHED["not collected" if found is None else "collected"] += 1
            if found is not None:
                period, units = found
                expected += 1
                self.next_period[order.nonce] = period + 1
                self.move(PAYER.address, self.delivery.merchant, units)
        collections = [self.delivery.collection(order, signature) for order, signature, _ in picked]

        assert self.delivery.collect_signed(collections) == expected

    def cancel(self, pick: int, cancel: bool) -> None:  # noqa: FBT001
        if not self.orders:
            return
        nonce = self.orders[pick % len(self.orders)][0].nonce
        if cancel and nonce not in self.cancelled:
            self.delivery.contract.cancel(nonce, sender=PAYER.address)
            self.cancelled.add(nonce)
            REACHED["cancelled"] += 1

    # Those in power try what they may not.

    def power_is_not_theft(self, victim: int, units: int) -> None:
        holder = self.dairies[victim]
        for power in (boa.env.eoa, self.mint.regulator):
            for call in (
                lambda: self.bill.transferFrom(holder, power, units, sender=power),  # noqa: B023
                lambda: self.bill.burn_from(holder, units, sender=power),  # noqa: B023
                lambda: self.module.settle_recall(holder, units, sender=power),  # noqa: B023
                lambda: self.market.contract.buy(self.offer_id, 1, sender=power),  # noqa: B023
            ):
                with boa.reverts():
                    call()

    # The sums.

    def look_now_and_then(self) -> None:
        """At every fourth step: what is wrong stays wrong, and looking costs more than doing."""
        self.steps += 1
        if self.steps % STEPS_A_CHECK == 0:
            self.the_sums_hold()

    def the_sums_hold(self) -> None:
        self.the_supply_is_what_was_attested_less_what_was_redeemed_and_burned()
        self.nothing_is_attested_above_quota()
        self.every_bill_is_where_a_signature_or_a_transfer_put_it()
        self.the_escrow_holds_exactly_the_open_purchases()
        self.recalled_litres_are_owed_or_made_good()
        self.the_programme_paid_or_owes_what_was_earned()

    def the_supply_is_what_was_attested_less_what_was_redeemed_and_burned(self) -> None:
        attested = self.module.attested_total()

        assert attested == self.attested.total()
        assert self.market.contract.redeemed_total() == self.redeemed
        assert self.bill.totalSupply() == attested - self.redeemed - self.burned

    def nothing_is_attested_above_quota(self) -> None:
        for (dairy, year), amount in self.attested.items():
            name = self.dairies[dairy]
            assert self.module.attested_litres(name, year) == amount
            assert amount <= self.module.quota_litres(name, year) == self.quotas[dairy, year]
        assert self.bill.totalSupply() <= self.quotas.total()

    def every_bill_is_where_a_signature_or_a_transfer_put_it(self) -> None:
        everybody = {
            *(*self.dairies, PAYER.address, self.delivery.merchant, self.market.supplier),
            *(self.module.address, self.market.contract.address, self.delivery.contract.address),
            *(self.mint.regulator, self.mint.stranger, str(boa.env.eoa), *self.balances),
        }
        for holder in everybody:
            assert self.bill.balanceOf(holder) == self.balances[holder]
        assert self.bill.totalSupply() == self.balances.total()

    def the_escrow_holds_exactly_the_open_purchases(self) -> None:
        held = sum(one.units for one in self.open_purchases())

        assert self.market.contract.escrowed_total() == held
        assert self.bill.balanceOf(self.market.contract.address) == held

    def recalled_litres_are_owed_or_made_good(self) -> None:
        owed = self.module.recalled_total() - self.module.recall_settled_total()

        assert owed == self.debts.total()
        for dairy, name in enumerate(self.dairies):
            assert self.module.recall_debt_litres(name) == self.debts[dairy]

    def the_programme_paid_or_owes_what_was_earned(self) -> None:
        ringgit = self.mint.ringgit.balanceOf
        for dairy, name in enumerate(self.dairies):
            earned = sum(
                batch.attestation.litres * SUBSIDY_PER_LITRE // LITRE
                for batch in self.batches
                if batch.dairy == dairy and not batch.recalled
            )
            owed = self.module.payout_owed(name)
            assert ringgit(name) + owed - self.module.subsidy_debt(name) == earned
        supplier = self.market.supplier
        owed = self.market.contract.payout_owed(supplier)
        assert ringgit(supplier) + owed == self.settlement
        assert self.module.payout_owed_total() == sum(
            self.module.payout_owed(name) for name in self.dairies
        )


def act(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


ATTEST = act("attest", dairy=dairies, amount=litres, flaw=st.sampled_from(FLAWS), pick=picks)
CLOSE = act(
    *("close",),
    pick=picks,
    part=parts,
    how=st.sampled_from(["confirm", "decline", "judge", "judge", "judge", "overdue"]),
)
REPORT, DISPUTE = act("report_delivery", pick=picks), act("dispute", pick=picks)
COLLECT = act("collect", chosen=st.lists(picks, min_size=1, max_size=4))
# What happens most, and what takes several steps to reach, is there more than once.
ACTS = st.one_of(
    *([ATTEST] * 3 + [CLOSE] * 2 + [REPORT, DISPUTE] * 2 + [COLLECT] * 2),
    act("recall", pick=picks),
    act("settle_recall", dairy=dairies, part=parts),
    act("set_quota", dairy=dairies, amount=litres, next_year=st.booleans()),
    *([act("wait", seconds=st.sampled_from([3_600, DAY_SECONDS, 270 * DAY_SECONDS]))] * 2),
    act("run_the_pools_dry_or_fill_them", short=st.sampled_from([True, True, False])),
    act("claim_what_is_owed"),
    act("pay_the_payer", dairy=dairies, part=parts),
    act("the_payer_burns_some", part=parts),
    act("wait", seconds=st.sampled_from([1, 3_600, DAY_SECONDS, WEEK_SECONDS, 270 * DAY_SECONDS])),
    act("buy", dairy=dairies, quantity=st.integers(min_value=1, max_value=9)),
    act("publish_a_price", change=st.integers(min_value=-15, max_value=15)),
    act(
        *("sign_a_standing_order",),
        wish=st.fixed_dictionaries(
            {
                "litres": st.integers(min_value=10**15, max_value=40 * LITRE).map(Units),
                "price_mode": st.sampled_from(PriceMode),
                "max_price": st.sampled_from([2 * MYR, 320_000_000, 4 * MYR, 9 * MYR]).map(Price),
                "nonce": st.integers(min_value=0, max_value=3),
                "period_seconds": st.sampled_from([3_600, DAY_SECONDS, WEEK_SECONDS]),
            }
        ),
        signer=st.sampled_from([PAYER, PAYER, PAYER, SENSORS[3]]),
    ),
    act("cancel", pick=picks, cancel=st.sampled_from([False, False, True])),
    act("power_is_not_theft", victim=dairies, units=st.integers(min_value=1, max_value=LITRE)),
)


class EconomyMachine(RuleBasedStateMachine):
    """Acts in any order; one rule, so that their weights are those of `ACTS`."""

    def __init__(self) -> None:
        super().__init__()
        self.economy = Economy()

    @initialize()
    def begin(self) -> None:
        self.economy.open()

    @rule(one=ACTS)
    def act(self, one: tuple[str, dict[str, Any]]) -> None:
        name, arguments = one
        getattr(self.economy, name)(**arguments)

    @invariant()
    def the_sums_hold(self) -> None:
        self.economy.look_now_and_then()

    def teardown(self) -> None:
        with self.economy.undo:
            if self.economy.steps:
                self.economy.the_sums_hold()


def test_the_sums_hold_whatever_anybody_does() -> None:
    REACHED.clear()
    run_state_machine_as_test(
        EconomyMachine,
        settings=settings(
            max_examples=36,
            stateful_step_count=56,
            deadline=None,
            derandomize=True,
            # Without shrinking, which the time limit of a test would cut short.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )

    # A search that reaches nothing proves nothing.
    assert (+REACHED).keys() >= {
        *("accepted", "withheld", "recalled", "recall settled", "over quota", "next year"),
        *("reported", "disputed", "redeemed", "refunded", "split", "overdue"),
        *("collected", "not collected", "cancelled", "claimed"),
    }, dict(REACHED)
    refused = {name for name in +REACHED if name.startswith("refused: ")}
    assert len(refused) >= len(set(FLAWS)) // 2, dict(REACHED)
