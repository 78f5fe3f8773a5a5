"""What payers register: the terms of a standing order as their wallet signed them."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, WithJsonSchema

from contracts import standing_orders
from contracts.milk_price_feed import parse_price
from contracts.signing import Account, encode_typed_data
from contracts.standing_orders import PriceMode, order_hash, standing_order_typed_data
from ledger.errors import RejectedError
from ledger.payment_uri import parse_address
from ledger.store.standing_orders import SignedStandingOrder
from ledger.units import UINT256_MAX, parse_bill
from oracle_api.forms import ADDRESS, BILL, PRICE, SIGNATURE, UINT, WHOLE, StrictRequest
from oracle_api.standing_orders.terms import signed_terms

SHORTEST_PERIOD_SECONDS: Final = 60
MAX_SECONDS: Final = 2**53
MAX_LITRES: Final = 10**24
MAX_PRICE: Final = 10**14
"""Both as the contract bounds them: a million litres, a million ringgit."""

_ID = re.compile(r"sto_([0-9a-f]{64})", re.ASCII)
_UINT = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}", re.ASCII)
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_MODES: Final = {"fixed": PriceMode.FIXED, "all_milk": PriceMode.ALL_MILK}

Text = Annotated[str, StringConstraints(min_length=1, max_length=140)]
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS), WHOLE]

EXAMPLE: Final[dict[str, JsonValue]] = {
    "payer": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "merchant": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "intoVaults": True,
    "litres": "2",
    "periodSeconds": 604_800,
    "priceMode": "all_milk",
    "fixedPrice": "0",
    "maxPrice": "7.50",
    "rate": "7.20",
    "startsAt": 1_775_808_000,
    "endsAt": 1_783_670_400,
    "nonce": "1",
    "signature": "0x" + "1b" * 65,
}


class NewStandingOrderRequest(StrictRequest):
    """The signed terms; amounts as decimals, times in Unix seconds, as the message has them."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    payer: Annotated[Text, WithJsonSchema(ADDRESS)]
    merchant: Annotated[Text, WithJsonSchema(ADDRESS)]
    intoVaults: bool  # noqa: N815
    litres: Annotated[Text, WithJsonSchema(BILL)]
    periodSeconds: Annotated[int, Field(ge=SHORTEST_PERIOD_SECONDS, le=MAX_SECONDS), WHOLE]  # noqa: N815
    priceMode: Literal["fixed", "all_milk"]  # noqa: N815
    fixedPrice: Annotated[Text, WithJsonSchema(PRICE)]  # noqa: N815
    maxPrice: Annotated[Text, WithJsonSchema(PRICE)]  # noqa: N815
    rate: Annotated[Text, WithJsonSchema(PRICE)]
    startsAt: Seconds  # noqa: N815
    endsAt: Seconds  # noqa: N815
    nonce: Annotated[Text, WithJsonSchema(UINT)]
    signature: Annotated[Text, WithJsonSchema(SIGNATURE)]

    def read(
        self, *, chain_id: int, contract: bytes, account_id: str, now: datetime
    ) -> SignedStandingOrder:
        """The terms, their signature checked.

        Raises:
            RejectedError: `address_invalid`, `address_checksum_wrong`, `amount_invalid`,
                `nonce_invalid`, `signature_malformed`, `terms_invalid` or `signature_invalid`.
        """
        if _UINT.fullmatch(self.nonce) is None or int(self.nonce) > UINT256_MAX:
            raise RejectedError("nonce_invalid", "nonce must be a whole number", param="nonce")
        if _SIGNATURE.fullmatch(self.signature) is None:
            raise RejectedError(
                "signature_malformed", "signature must be 0x and 130 hex digits", param="signature"
            )
        unhashed = SignedStandingOrder(
            chain_id=chain_id,
            order_hash=b"",
            contract=contract,
            payer=parse_address(self.payer, param="payer"),
            merchant=parse_address(self.merchant, param="merchant"),
            into_vaults=self.intoVaults,
            litres=parse_bill(self.litres, param="litres"),
            period_seconds=self.periodSeconds,
            price_mode=_MODES[self.priceMode],
            fixed_price=_price(self.fixedPrice, "fixedPrice"),
            max_price=_price(self.maxPrice, "maxPrice"),
            rate=_price(self.rate, "rate"),
            starts_at=self.startsAt,
            ends_at=self.endsAt,
            nonce=int(self.nonce),
            signature=_signature(self.signature),
            account_id=account_id,
            registered_at=now,
        )
        _require_sense(unhashed)
        return _signed(unhashed)


def read_standing_order_id(text: str) -> bytes:
    """A standing order's id: `sto_` and its hash; gives the hash.

    Raises:
        RejectedError: `standing_order_not_found`.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise standing_order_not_found()
    return bytes.fromhex(match.group(1))


def read_before(text: str | None) -> bytes | None:
    """Where a page ends, as `next` gave it.

    Raises:
        RejectedError: `before_invalid`.
    """
    if text is None:
        return None
    match = _ID.fullmatch(text)
    if match is None:
        raise before_invalid()
    return bytes.fromhex(match.group(1))


def before_invalid() -> RejectedError:
    """The refusal of a cursor that no page of ours gave."""
    return RejectedError("before_invalid", "before must be what `next` said", param="before")


def standing_order_not_found() -> RejectedError:
    """The refusal for an id that no standing order of the caller's has."""
    return RejectedError("standing_order_not_found", "there is no such standing order", param="id")


def _price(text: str, param: str) -> int:
    price = parse_price(text, param=param)
    if price > MAX_PRICE:
        raise RejectedError("amount_invalid", f"{param} is more than a million", param=param)
    return price


def _signature(text: str) -> bytes:
    signature = bytes.fromhex(text[2:])
    # Some wallets write the bare recovery id, the contract wants 27 or 28.
    v = signature[64]
    return signature[:64] + bytes((v + 27 if v < 2 else v,))  # noqa: PLR2004 - 0 or 1


def _require_sense(order: SignedStandingOrder) -> None:
    """What the contract would call an invalid order, or never collect."""
    if order.payer == bytes(20) or order.merchant == bytes(20):
        raise RejectedError("terms_invalid", "the zero address can neither pay nor be paid")
    if not 0 < order.litres <= MAX_LITRES:
        raise RejectedError("terms_invalid", "litres must be 1 to a million", param="litres")
    if order.rate == 0:
        raise RejectedError("terms_invalid", "rate must be more than 0", param="rate")
    if order.ends_at <= order.starts_at or order.ends_at <= order.registered_at.timestamp():
        raise RejectedError("terms_invalid", "it ends before it could be collected", param="endsAt")
    if standing_orders.most_units_a_period(signed_terms(order)) == 0:
        raise RejectedError("terms_invalid", "there is nothing to collect", param="maxPrice")


def _signed(unhashed: SignedStandingOrder) -> SignedStandingOrder:
    """The order with its hash, if its payer signed just this."""
    terms = signed_terms(unhashed)
    message = standing_order_typed_data(
        terms, chain_id=unhashed.chain_id, contract=unhashed.contract
    )
    refusal = RejectedError(
        "signature_invalid",
        "the signature is not the payer's over these terms, on this chain and for this contract",
        param="signature",
    )
    if int.from_bytes(unhashed.signature[32:64]) > _HALF_ORDER:
        raise refusal
    try:
        signer = Account.recover_message(
            encode_typed_data(full_message=message), signature=unhashed.signature
        )
    except Exception:  # noqa: BLE001 - the libraries below have no common word for it
        raise refusal from None
    if bytes.fromhex(signer[2:]) != unhashed.payer:
        raise refusal
    fields = {name: getattr(unhashed, name) for name in unhashed.__dataclass_fields__}
    return SignedStandingOrder(**(fields | {"order_hash": order_hash(terms)}))
