"""Ethereum JSON-RPC over HTTP, with a bounded answer and one retry policy."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from indexer.retry_after import read_retry_after
from ledger.errors import TransientError

MAX_ANSWER_BYTES = 256 * 1024 * 1024
_RATE_LIMITED = 429
_UNAVAILABLE = 503


class NodeUnreachableError(TransientError):
    """The node did not answer, or not in JSON-RPC."""


class NodeRefusedError(TransientError):
    """The node answered with a JSON-RPC error; `rpc_code` is its number."""

    def __init__(self, method: str, rpc_code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({rpc_code})")
        self.rpc_code = rpc_code


class RateLimitedError(TransientError):
    """The node asks to be left alone for `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"the node asks to wait {retry_after_seconds:g} s")
        self.retry_after_seconds = retry_after_seconds


class NotThereYetError(TransientError):
    """The node does not have the asked-for thing, or not yet."""


class RpcClient:
    """One node's HTTP endpoint."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, timeout_seconds: float) -> None:
        self.url = url
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._ids = itertools.count(1)

    async def call(self, method: str, params: Sequence[Any]) -> Any:
        """The result of one call; None where the node answers null.

        Raises:
            NodeUnreachableError, NodeRefusedError, RateLimitedError: as they say.
        """
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            async with self._session.post(
                self.url,
                data=orjson.dumps(request),
                headers={"Content-Type": "application/json"},
                timeout=self._timeout,
                # A node that sends us elsewhere would choose whom we ask, inside our network too.
                allow_redirects=False,
            ) as response:
                _refuse_busy(response)
                body = await _read_bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NodeUnreachableError(f"{method}: no answer: {reason_of(error)}") from error
        return result_of(method, body)


def reason_of(error: BaseException) -> str:
    """What went wrong, without the URL in aiohttp's own words: it often holds the node's key."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{type(error).__name__}: HTTP {error.status}"
    return type(error).__name__ if isinstance(error, aiohttp.InvalidURL) else repr(error)


def _refuse_busy(response: aiohttp.ClientResponse) -> None:
    """A node that is only away may say nothing of when; it is tried again as any other failure."""
    asked = response.headers.get("Retry-After")
    if response.status == _RATE_LIMITED or (response.status == _UNAVAILABLE and asked is not None):
        raise RateLimitedError(read_retry_after(asked, now=datetime.now(UTC)))


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    if (response.content_length or 0) > MAX_ANSWER_BYTES:
        raise NodeUnreachableError("the node's answer is too large")
    chunks = bytearray()
    async for chunk in response.content.iter_any():
        chunks += chunk
        if len(chunks) > MAX_ANSWER_BYTES:
            raise NodeUnreachableError("the node's answer is too large")
    return bytes(chunks)


def result_of(method: str, body: bytes) -> Any:
    """What a JSON-RPC answer holds.

    Raises:
        NodeUnreachableError, NodeRefusedError: as they say.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NodeUnreachableError(f"{method}: the node did not answer in JSON") from error
    if not isinstance(answer, dict):
        raise NodeUnreachableError(f"{method}: the node's answer is not a JSON-RPC object")
    fault = answer.get("error")
    if fault is not None:
        details = fault if isinstance(fault, dict) else {}
        code = details.get("code")
        raise NodeRefusedError(
            method, code if isinstance(code, int) else 0, str(details.get("message", fault))[:500]
        )
    return answer.get("result")


_BACKOFF = wait_exponential_jitter(multiplier=0.02, max=2.0, jitter=0.02)


def _wait_seconds(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, RateLimitedError):
        return error.retry_after_seconds
    return _BACKOFF(state)


def retrying(*, attempts: int = 8) -> AsyncRetrying:
    """Tries again what may succeed later: 20 ms, 40 ms, ... up to 2 s, or as the node asks."""
    return AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=_wait_seconds,
        stop=stop_after_attempt(attempts),
        reraise=True,
    )
