"""Which contracts an indexer follows beside the token; light, for every worker process loads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ledger.contract_event import ContractEvent

if TYPE_CHECKING:
    from contracts.event_log import EventLogReader


class Contract(StrEnum):
    """What a followed contract is called in the ledger, in settings and in exports."""

    MINTING_MODULE = "minting_module"
    MILK_MARKET = "milk_market"
    MILK_PRICE_FEED = "milk_price_feed"
    STANDING_ORDERS = "standing_orders"


@dataclass(frozen=True)
class EventDecoder:
    """Reads the events of contracts at fixed addresses; small enough to send to a worker process.

    Attributes:
        contracts: Each contract with its address, 20 bytes.
    """

    contracts: tuple[tuple[Contract, bytes], ...]

    @property
    def addresses(self) -> dict[str, bytes]:
        """Each contract's address by its name."""
        return {contract.value: address for contract, address in self.contracts}

    @cached_property
    def _reader(self) -> "EventLogReader":
        # The decoding of ABIs takes half a second to load: only who follows something waits for it.
        from contracts.event_log import EventLogReader  # noqa: PLC0415

        return EventLogReader(self.contracts)

    def __call__(
        self, receipts: Sequence[Mapping[str, Any]], *, tx_hashes: Sequence[bytes]
    ) -> tuple[ContractEvent, ...]:
        """The events in log order; see `EventLogReader.read`."""
        return tuple(self._reader.read(receipts, tx_hashes)) if self.contracts else ()

    def __getstate__(self) -> dict[str, Any]:
        """Without what is derived: a worker derives it again."""
        return {"contracts": self.contracts}


FOLLOW_NOTHING = EventDecoder(())
"""For a ledger of the token alone."""
