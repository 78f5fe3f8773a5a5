"""Takes an authorisation over and broadcasts it: once, whoever asks how often."""

import asyncio
import secrets
from dataclasses import dataclass

import structlog

from ledger.errors import RejectedError, TransientError
from ledger.ids import sortable_id
from ledger.json_hex import to_hex
from ledger.payment_uri import format_address
from ledger.store.orders import StoredOrder, read_order_by_address, read_order_by_id
from ledger.store.pool import Connection
from ledger.store.relay_nonces import RelayTransaction, insert_transaction, take_nonce
from ledger.store.relay_submissions import (
    NewSubmission,
    StoredSubmission,
    find_submission,
    insert_submission,
    is_order_taken,
    lock_order,
)
from oracle_api.confidence import read_sure_cursor
from oracle_api.database import Database
from oracle_api.orders.requests import order_not_found
from oracle_api.problems import UnavailableError
from oracle_api.relay.authorization import SignedAuthorization
from oracle_api.relay.broadcast import Broadcaster, Call, Terms
from oracle_api.relay.budget import require_budget, require_gas, require_room
from oracle_api.relay.checks import Preview, preview, require_payable, require_window
from oracle_api.relay.fees import Fees, fees_for
from oracle_api.settings import Settings
from oracle_api.times import Clock, to_datetime

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Request:
    """An authorisation for an order, whose signature and form are right."""

    order: StoredOrder
    signed: SignedAuthorization


class Relay:
    """Takes authorisations over; one per process."""

    def __init__(
        self, settings: Settings, database: Database, broadcaster: Broadcaster, clock: Clock
    ) -> None:
        self._settings = settings
        self._database = database
        self._broadcaster = broadcaster
        self._clock = clock
        self._is_chain_checked = False

    @property
    def relayer(self) -> bytes:
        """The account that pays the gas, 20 bytes."""
        return self._broadcaster.relayer

    async def stay_connected(self) -> None:
        """Keep the node's connection, for ever; without it everything is refused."""
        log.info("relaying", relayer=format_address(self.relayer))
        async with self._broadcaster.node.opened():
            await asyncio.Event().wait()

    async def submit(self, request: Request) -> StoredSubmission:
        """Broadcast an authorisation, or find the submission that did before.

        Raises:
            RejectedError: a check of `checks`, `authorization_nonce_reused`,
                `order_being_paid` or `payer_budget_exhausted`.
            UnavailableError: `relay_unavailable`, `relayer_budget_exhausted`, `relayer_busy`,
                `relayer_out_of_gas`, `gas_too_dear`, or whatever makes the ledger unsure.
        """
        known = await self._known(request)
        if known is not None:
            return known
        try:
            seen = await self.check(request)
        except RejectedError:
            # Taken over meanwhile by the same request, which may have landed already.
            known = await self._known(request)
            if known is None:
                raise
            return known
        fees = fees_for(
            seen.head.base_fee_wei, seen.tip_wei, cap_wei=self._settings.relayer_max_fee_wei
        )
        require_gas(seen, fees)
        transaction = await self._take_over(request, seen, fees)
        if transaction is not None:
            await self._broadcaster.send(transaction)
        taken = await self._known(request)
        if taken is None:
            raise RuntimeError("a submission that was just written is not there")
        return taken

    async def check(self, request: Request) -> Preview:
        """Make every check that changes nothing.

        Raises:
            RejectedError, UnavailableError: as `submit`.
        """
        authorization = request.signed.authorization
        require_payable(request.order, authorization)
        self._require_window(request)
        try:
            await self._check_chain()
            return await preview(
                self._broadcaster.node,
                request.signed,
                token=self._settings.token_address,
                relayer=self.relayer,
            )
        except TransientError as error:
            if isinstance(error, UnavailableError):
                raise
            log.warning("the relay's node does not answer", detail=str(error))
            raise UnavailableError(
                "relay_unavailable", "the relay's node does not answer"
            ) from error

    async def read_order(self, order_id: str) -> StoredOrder:
        """The order as the ledger has it, if the ledger is sure.

        Raises:
            RejectedError: `order_not_found`.
            UnavailableError: whatever makes the ledger unsure: the order may be paid already.
        """
        async with self._database.reading() as connection:
            await self._require_confidence(connection)
            return _existing(await read_order_by_id(connection, order_id))

    async def read_order_at(self, address: bytes) -> StoredOrder:
        """The order whose address this is; otherwise as `read_order`."""
        async with self._database.reading() as connection:
            await self._require_confidence(connection)
            return _existing(await read_order_by_address(connection, address))

    async def _require_confidence(self, connection: Connection) -> None:
        settings = self._settings
        await read_sure_cursor(
            connection, settings.chain_id, clock=self._clock, limits=settings.limits
        )

    async def _known(self, request: Request) -> StoredSubmission | None:
        async with self._database.reading() as connection:
            return await self._find(connection, request)

    async def _find(self, connection: Connection, request: Request) -> StoredSubmission | None:
        authorization = request.signed.authorization
        found = await find_submission(
            connection,
            self._settings.chain_id,
            token=self._settings.token_address,
            owner=authorization.owner,
            nonce=authorization.nonce,
        )
        if found is not None and (found.order_id, found.amount, found.valid_before) != (
            request.order.id,
            authorization.units,
            authorization.valid_before_seconds,
        ):
            raise _nonce_reused()
        return found

    async def _take_over(
        self, request: Request, seen: Preview, fees: Fees
    ) -> RelayTransaction | None:
        """Write submission, nonce and signed transaction at once; None when it is there already.

        The locks make everything that was checked without them worth checking again.
        """
        chain_id, order_id = self._settings.chain_id, request.order.id
        terms = Terms(fees, seen.head.number, to_datetime(self._clock()))
        async with self._database.writing() as connection:
            await lock_order(connection, order_id)
            if await self._find(connection, request) is not None:
                return None
            order = _existing(await read_order_by_id(connection, order_id))
            require_payable(order, request.signed.authorization)
            if await is_order_taken(connection, order_id):
                raise RejectedError(
                    "order_being_paid",
                    "a payment of this order is on its way; ask for the order",
                    param="orderId",
                )
            tx_nonce = await take_nonce(
                connection, chain_id, self.relayer, pending_count=seen.pending_count
            )
            new = self._new_submission(request, terms)
            call = Call(new.token, request.signed.call_data(), seen.gas_limit, new.id)
            require_room(self._settings, tx_nonce - seen.mined_count)
            promised_wei = seen.gas_limit * fees.max_fee_wei
            await require_budget(self._settings, connection, new, promised_wei)
            signed = await self._broadcaster.sign(call, terms, tx_nonce=tx_nonce)
            if not await insert_submission(
                connection, new, tx_hash=signed.tx_hash, promised_wei=signed.promised_wei
            ):
                raise _nonce_reused()
            await insert_transaction(connection, signed)
        log.info("submission taken over", submissionId=new.id, txHash=to_hex(signed.tx_hash))
        return signed

    def _new_submission(self, request: Request, terms: Terms) -> NewSubmission:
        authorization = request.signed.authorization
        return NewSubmission(
            id=sortable_id(
                "rly",
                unix_milliseconds=int(terms.now.timestamp() * 1000),
                randomness=secrets.token_bytes(10),
            ),
            chain_id=self._settings.chain_id,
            token=self._settings.token_address,
            order_id=request.order.id,
            owner=authorization.owner,
            recipient=authorization.to,
            amount=authorization.units,
            valid_after=authorization.valid_after_seconds,
            valid_before=authorization.valid_before_seconds,
            authorization_nonce=authorization.nonce,
            signature=request.signed.signature,
            relayer=self.relayer,
            seen_number=terms.head_number,
            created_at=terms.now,
        )

    def _require_window(self, request: Request) -> None:
        require_window(
            request.order,
            request.signed.authorization,
            now=int(self._clock()),
            margin_seconds=self._settings.relayer_margin_seconds,
        )

    async def _check_chain(self) -> None:
        """Once: a node of another chain would simulate another token."""
        if self._is_chain_checked:
            return
        chain_id = await self._broadcaster.node.chain_id()
        if chain_id != self._settings.chain_id:
            log.error("the relay's node is on another chain", chainId=chain_id)
            raise UnavailableError("relay_unavailable", "the relay's node is on another chain")
        self._is_chain_checked = True


def _nonce_reused() -> RejectedError:
    return RejectedError(
        "authorization_nonce_reused",
        "another authorisation with this nonce was submitted; sign one with a new nonce",
        param="nonce",
    )


def _existing(order: StoredOrder | None) -> StoredOrder:
    if order is None:
        raise order_not_found()
    return order
