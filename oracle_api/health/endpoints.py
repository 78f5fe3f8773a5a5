"""`/healthz`, `/readyz` and `/metrics`, for the machines that look after us."""

from collections.abc import Awaitable, Callable

import orjson

from ledger.confidence import Limits
from ledger.order import Depths
from oracle_api.confidence import read_sure_cursor
from oracle_api.database import Database
from oracle_api.metrics import CONTENT_TYPE, Metrics
from oracle_api.problems import JSON, Reply, UnavailableError, problem_of
from oracle_api.request import DirectRequest
from oracle_api.stream.hub import Hub
from oracle_api.times import Clock

_PLAIN = ((b"content-type", JSON), (b"cache-control", b"no-store"))


class HealthEndpoints:
    """Answers about ourselves."""

    def __init__(
        self, database: Database, hub: Hub, limits: Limits, clock: Clock, metrics: Metrics
    ) -> None:
        self._database = database
        self._hub = hub
        self._limits = limits
        self._clock = clock
        self._metrics = metrics

    def routes(self) -> dict[tuple[str, str], Callable[[DirectRequest], Awaitable[Reply]]]:
        """Where each is asked for."""
        return {
            ("GET", "/healthz"): self.live,
            ("GET", "/readyz"): self.ready,
            ("GET", "/metrics"): self.metrics,
        }

    async def live(self, _: DirectRequest) -> Reply:
        """The process lives; that alone, so that nobody restarts it because a database is away."""
        return Reply(200, b'{"status":"live"}', _PLAIN)

    async def ready(self, request: DirectRequest) -> Reply:
        """Whether a validation would be answered now."""
        try:
            depths = await self._check()
        except UnavailableError as error:
            return problem_of(error, request_id=request.id)
        body = orjson.dumps(
            {
                "status": "ready",
                "blockNumber": depths.tip_number,
                # No reason not to answer: whoever waits for finality is told so order by order.
                "finalizedBlockNumber": depths.finalized_number,
            }
        )
        return Reply(200, body, _PLAIN)

    async def metrics(self, _: DirectRequest) -> Reply:
        """What Prometheus reads."""
        headers = ((b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store"))
        return Reply(200, self._metrics.render(), headers)

    async def _check(self) -> Depths:
        """The depths that we would answer from.

        Raises:
            UnavailableError: the first reason not to.
        """
        if self._hub.is_closing:
            raise UnavailableError("shutting_down", "this replica is shutting down")
        chain_id = self._database.deployment.chain_id
        async with self._database.reading() as connection:
            await self._database.check(connection)
            cursor = await read_sure_cursor(
                connection, chain_id, clock=self._clock, limits=self._limits
            )
        if self._hub.tail is None:
            raise UnavailableError("journal_unread", "the journal has not been read yet")
        return cursor.depths
