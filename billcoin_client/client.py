"""The client for programs without asyncio."""

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from billcoin_client import calls
from billcoin_client.calls import Amount, Call
from billcoin_client.errors import BillcoinError, OracleUnreachableError
from billcoin_client.exchange import Exchange, Patience
from billcoin_client.models import AttestationSigners, Order, Validation

Result = TypeVar("Result")


class BillcoinClient:
    """One oracle; threads may share it.

    Every call may raise `ProblemError` (the oracle refused), `OracleUnreachableError` and
    `AnswerMalformedError`. What may succeed later has been tried again before.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Make a client.

        Args:
            base_url: The oracle's, such as `https://pay.example.org`.
            api_key: Yours, from the office; sent over https or to this machine only.
            patience: Time-outs and retries.
            transport: Another way to send, for tests and proxies.
        """
        self._exchange = Exchange(base_url, api_key, patience or Patience())
        self._http = httpx.Client(transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create_order(
        self,
        *,
        items: Mapping[str, int] | None = None,
        amount_myr: Amount | None = None,
        reference: str | None = None,
        expires_in_seconds: int | None = None,
        idempotency_key: str | None = None,
    ) -> Order:
        """Make an order of either items (sku to quantity) or an amount in ringgit.

        Give an `idempotency_key` of your own (your order's number), so that even your program's
        restart makes no second order; without one it is new with each call. An order can be paid
        for as long as the oracle allows, or for fewer seconds with `expires_in_seconds`.
        """
        return self._send(
            calls.create_order(
                items,
                amount_myr,
                reference=reference,
                expires_in_seconds=expires_in_seconds,
                idempotency_key=idempotency_key,
            )
        )

    def get_order(self, order_id: str, *, wait: float = 0, known: Order | None = None) -> Order:
        """An order; with `wait` (seconds) the answer is held while it stays as it is.

        With `known` it is compared with what you have, and costs next to nothing if unchanged.
        """
        return self._send(calls.read_order(order_id, wait, known))

    def iter_orders(self, *statuses: str, page_size: int = 50) -> Iterator[Order]:
        """All orders of these statuses (the open ones by default), newest first, page by page."""
        before: str | None = None
        while True:
            page = self._send(calls.list_orders(statuses, page_size, before))
            yield from page.data
            if not page.has_more or page.next is None:
                return
            before = page.next

    def cancel_order(self, order_id: str) -> Order:
        """Cancel an order that nobody has paid."""
        return self._send(calls.cancel_order(order_id))

    def qr_svg(self, order_id: str) -> str:
        """The order's payment request as a QR code, in SVG."""
        return self._send(calls.qr_svg(order_id))

    def validate(
        self,
        tx_hash: str,
        expected_amount: Amount,
        *,
        order_id: str | None = None,
        currency: str = "BILL",
        wait: float = 0,
        attest: bool = False,
        consumer: str | None = None,
    ) -> Validation:
        """Whether this transaction is a valid payment of what you expect.

        Args:
            tx_hash: 0x and 64 hex digits.
            expected_amount: What the order costs, in `currency`.
            order_id: Your order. Leave it out only if you compare `verdict.order_id` yourself.
            currency: BILL or MYR.
            wait: Seconds to hold the request while the answer may still become valid.
            attest: Have a yes signed.
            consumer: The contract that may consume the signed yes; implies `attest`.
        """
        return self._send(
            calls.validate(
                tx_hash,
                expected_amount,
                currency=currency,
                order_id=order_id,
                wait_seconds=wait,
                consumer=consumer,
                attest=attest,
            )
        )

    def payment_proof(self, tx_hash: str) -> dict[str, Any]:
        """All that it takes to check a payment against a block hash without the oracle."""
        return self._send(calls.payment_proof(tx_hash))

    def attestation_signers(self) -> AttestationSigners:
        """Whose attestations to trust; keep it for a minute at most."""
        return self._send(calls.attestation_signers())

    def _send(self, call: Call[Result]) -> Result:
        request = self._exchange.request(call)
        attempt = 0
        while True:
            try:
                return self._exchange.read(call, self._reach(request))
            except BillcoinError as error:
                pause = self._exchange.pause(error, attempt)
                if pause is None:
                    raise
                attempt += 1
                time.sleep(pause)

    def _reach(self, request: dict[str, Any]) -> httpx.Response:
        try:
            return self._http.request(**request)
        except httpx.RequestError as error:
            raise OracleUnreachableError(f"no answer from {request['url']}: {error!r}") from error
