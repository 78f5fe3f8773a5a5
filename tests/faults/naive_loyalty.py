"""Points and coupons recomputed from who has paid what, by rules of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Told = tuple[str, str, str | int]


@dataclass
class NaiveCustomer:
    """What a customer has: the orders that count, and coupons as (status, order)."""

    price: int
    counted: set[str] = field(default_factory=set)
    coupons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def balance(self) -> int:
        kept = sum(status != "voided" for status, _ in self.coupons)
        return len(self.counted) - self.price * kept


@dataclass
class NaiveLoyalty:
    """All customers; a coupon costs `price` points."""

    price: int
    customers: dict[bytes, NaiveCustomer] = field(default_factory=dict)

    def recompute(self, paid: Mapping[str, bytes]) -> list[Told]:
        """Let exactly the orders that are paid now count; gives what the journal must tell."""
        told: list[Told] = []
        for customer in sorted({*self.customers, *paid.values()}):
            has = self.customers.setdefault(customer, NaiveCustomer(self.price))
            wanted = {order_id for order_id, whose in paid.items() if whose == customer}
            gained, lost = sorted(wanted - has.counted), sorted(has.counted - wanted)
            for order_id in gained:
                has.counted.add(order_id)
                told.append(("loyalty.earned", order_id, has.balance))
            for order_id in lost:
                has.counted.remove(order_id)
                told.append(("loyalty.reversed", order_id, has.balance))
            while has.balance >= self.price:
                has.coupons.append(("usable", gained[-1]))
                told.append(("loyalty.coupon_made", gained[-1], has.balance))
            while has.balance < 0 and (at := _newest_usable(has)) is not None:
                has.coupons[at] = ("voided", has.coupons[at][1])
                told.append(("loyalty.coupon_voided", lost[-1], has.balance))
        return told

    def use(self, customer: bytes, number: int) -> Told | None:
        """A till has given a milk for a coupon; None when there was nothing to be given for it."""
        has = self.customers.setdefault(customer, NaiveCustomer(self.price))
        status, order_id = dict(enumerate(has.coupons, 1)).get(number, ("none", ""))
        if status != "usable":
            return None
        has.coupons[number - 1] = ("used", order_id)
        return "loyalty.coupon_used", order_id, has.balance


def _newest_usable(has: NaiveCustomer) -> int | None:
    usable = [at for at, (status, _) in enumerate(has.coupons) if status == "usable"]
    return usable[-1] if usable else None
