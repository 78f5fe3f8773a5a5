"""How logs of followed contracts become typed events, by their ABIs.

Another contract is its loader's `EVENTS` and a line in `FOLLOWED`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from contracts import milk_market, milk_price_feed, minting_module, standing_orders
from contracts.abi import canonical_type, events_by_topic
from contracts.artifact import AbiEntry, Artifact
from contracts.followed import Contract
from ledger.contract_event import Arguments, ContractEvent

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_WORD_BYTES = 32
_WORD_CHARACTERS = 2 + 2 * _WORD_BYTES
_WORDS = frozenset({"address", "bool", "bytes32", "int256", "uint8", "uint256"})


class Followed(NamedTuple):
    """A contract as an indexer follows it: its artifact, and which of its events are kept."""

    artifact: Callable[[], Artifact]
    events: tuple[str, ...]


FOLLOWED: Mapping[Contract, Followed] = {
    Contract.MINTING_MODULE: Followed(minting_module.artifact, minting_module.EVENTS),
    Contract.MILK_MARKET: Followed(milk_market.artifact, milk_market.EVENTS),
    Contract.MILK_PRICE_FEED: Followed(milk_price_feed.artifact, milk_price_feed.EVENTS),
    Contract.STANDING_ORDERS: Followed(standing_orders.artifact, standing_orders.EVENTS),
}


class _Shape(NamedTuple):
    """How one event's log is laid out."""

    name: str
    indexed: tuple[Mapping[str, Any], ...]
    plain: tuple[Mapping[str, Any], ...]


class EventLogReader:
    """Reads the events of contracts at fixed addresses out of proven receipts."""

    def __init__(self, contracts: Sequence[tuple[Contract, bytes]]) -> None:
        self._followed = {
            "0x" + address.hex(): (contract, _shapes_of(contract))
            for contract, address in contracts
        }

    def read(
        self, receipts: Sequence[Mapping[str, Any]], tx_hashes: Sequence[bytes]
    ) -> Iterator[ContractEvent]:
        """The events in log order.

        Not among them: logs of other contracts, events that nobody asked for, and what has the
        topic of an event but another number of topics or data that its types do not allow.
        """
        followed, log_index = self._followed, -1
        for tx_index, receipt in enumerate(receipts):
            for log in receipt["logs"]:
                log_index += 1
                known = followed.get(log["address"].lower())
                if known is None or not log["topics"]:
                    continue
                contract, shapes = known
                shape = shapes.get(log["topics"][0].lower())
                arguments = shape and _arguments(shape, log["topics"][1:], log["data"])
                if shape is None or arguments is None:
                    continue
                yield ContractEvent(
                    log_index, tx_index, tx_hashes[tx_index], contract.value, shape.name, arguments
                )


def _shapes_of(contract: Contract) -> dict[str, _Shape]:
    followed = FOLLOWED[contract]
    return {
        "0x" + topic.hex(): _shape(entry)
        for topic, entry in events_by_topic(followed.artifact()).items()
        if entry["name"] in followed.events
    }


def _shape(entry: AbiEntry) -> _Shape:
    return _Shape(
        name=entry["name"],
        indexed=tuple(field for field in entry["inputs"] if field["indexed"]),
        plain=tuple(field for field in entry["inputs"] if not field["indexed"]),
    )


def _arguments(shape: _Shape, topics: Sequence[str], data: str) -> Arguments | None:
    """The arguments by name; None when topics or data are not what the event's types say."""
    if len(topics) != len(shape.indexed):
        return None
    if any(len(topic) != _WORD_CHARACTERS for topic in topics):
        return None
    fields = (*shape.indexed, *shape.plain)
    try:
        # Indexed arguments are single words here, and so encoded as they would be in the data.
        indexed = _decode(shape.indexed, bytes.fromhex("".join(topic[2:] for topic in topics)))
        values = (*indexed, *_decode(shape.plain, bytes.fromhex(data[2:])))
    except (DecodingError, ValueError, OverflowError):
        return None
    return {field["name"]: _json(field, value) for field, value in zip(fields, values, strict=True)}


def _decode(fields: Sequence[Mapping[str, Any]], data: bytes) -> tuple[Any, ...]:
    # Texts are laid out as bytes are, and read as such: one that is no UTF-8 must not hide its
    # event, for a recall stays one whatever its reason says.
    types = [canonical_type(field).replace("string", "bytes") for field in fields]
    if all(kind in _WORDS for kind in types) and len(data) != _WORD_BYTES * len(types):
        raise ValueError("the data is longer than its types")
    return decode(types, data)


def _json(field: Mapping[str, Any], value: Any) -> Any:
    kind: str = field["type"]
    if kind.endswith("]"):
        item = {**field, "type": kind[: kind.rindex("[")]}
        return [_json(item, entry) for entry in value]
    if kind == "tuple":
        parts = zip(field["components"], value, strict=True)
        return {part["name"]: _json(part, entry) for part, entry in parts}
    if isinstance(value, bool):
        return value
    if kind == "string":
        # Postgres keeps no NUL in its texts.
        return value.decode(errors="replace").replace("\0", _REPLACEMENT)
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
