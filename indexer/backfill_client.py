"""Asks a node for many blocks at once, as a worker process does: plainly, one answer at a time."""

import base64
import http.client
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from indexer.retry_after import read_retry_after
from ledger.errors import TransientError

# An answer of this size is read, parsed and proven within the processor's caches.
_TARGET_ANSWER_BYTES = 256 * 1024
_MAX_BATCH_BLOCKS = 64
_FIRST_BATCH_BLOCKS = 8
_SINGLE_BLOCKS = 32
# After so many good answers a larger batch is tried again: what was refused may have been a
# balancer's bad moment. Each refusal doubles it, so that a node's limit is seldom run into.
_FIRST_PATIENCE_ANSWERS = 16
_MAX_PATIENCE_ANSWERS = 4096
_SINGLE_CALLS_AT_ONCE = 8
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_OK = 200
_RATE_LIMITED = 429
_UNAVAILABLE = 503


class BusyNodeError(TransientError):
    """The node asks to be left alone for `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"the node asks to wait {retry_after_seconds:g} s")
        self.retry_after_seconds = retry_after_seconds


class UnansweredError(TransientError):
    """The node did not answer, or not with what was asked for."""


class _BatchRefusedError(TransientError):
    """The node does not answer so many calls in one request."""


class BatchClient:
    """One node, asked by batches that shrink while it refuses them, at last by single calls.

    They grow with what fits into an answer, and in time beyond what was once refused.
    """

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._idle: list[http.client.HTTPConnection] = []
        parts = urlsplit(url)
        if parts.hostname is None:
            raise UnansweredError("the node's URL names no host")
        self._secure = parts.scheme == "https"
        self._host, self._port, self._timeout = parts.hostname, parts.port, timeout_seconds
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/json"}
        if parts.username is not None:
            words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(words.encode()).decode()}"
        self._most_blocks = _MAX_BATCH_BLOCKS
        self._batch_blocks = _FIRST_BATCH_BLOCKS
        self._answers_in_a_row = 0
        self._patience_answers = _FIRST_PATIENCE_ANSWERS

    def __del__(self) -> None:
        """Close what is open: a process keeps its clients until it asks other nodes."""
        for connection in self._idle:
            connection.close()

    @property
    def step_blocks(self) -> int:
        """How many blocks are best asked for next."""
        return self._batch_blocks or _SINGLE_BLOCKS

    def blocks(self, numbers: Sequence[int]) -> list[tuple[Any, Any]]:
        """Each number's full block and receipts, as the node answers them; nothing is proven here.

        Raises:
            BusyNodeError, UnansweredError: as they say.
        """
        if not self._most_blocks:
            singly = self._one_by_one(numbers)
            self._went_well()
            return singly
        found: list[tuple[Any, Any]] = []
        while len(found) < len(numbers):
            wanted = numbers[len(found) : len(found) + self._batch_blocks]
            try:
                found += self._batch(wanted)
            except _BatchRefusedError:
                self._was_refused(len(wanted))
                if not self._most_blocks:
                    return found + self._one_by_one(numbers[len(found) :])
            else:
                self._went_well()
        return found

    def _was_refused(self, count: int) -> None:
        self._most_blocks = self._batch_blocks = count // 2
        self._answers_in_a_row = 0
        self._patience_answers = min(2 * self._patience_answers, _MAX_PATIENCE_ANSWERS)

    def _went_well(self) -> None:
        self._answers_in_a_row += 1
        if self._most_blocks < _MAX_BATCH_BLOCKS and (
            self._answers_in_a_row >= self._patience_answers
        ):
            self._answers_in_a_row = 0
            self._most_blocks = min(max(2 * self._most_blocks, 1), _MAX_BATCH_BLOCKS)
            self._batch_blocks = max(self._batch_blocks, 1)

    def _batch(self, numbers: Sequence[int]) -> list[tuple[Any, Any]]:
        calls = [_calls(number, 2 * place) for place, number in enumerate(numbers)]
        answers, size = self._post(b"[" + b",".join(calls) + b"]")
        if not isinstance(answers, list) or len(answers) != 2 * len(numbers):
            raise _BatchRefusedError("a batch was not answered by a batch")
        results: list[Any] = [None] * len(answers)
        for answer in answers:
            if not isinstance(answer, dict) or "result" not in answer:
                raise _BatchRefusedError("a call of a batch was refused")
            place = answer.get("id")
            if not isinstance(place, int) or not 0 <= place < len(results):
                raise UnansweredError("the node answered another question")
            results[place] = answer["result"]
        fitting = _TARGET_ANSWER_BYTES * len(numbers) // max(size, 1)
        self._batch_blocks = min(max(fitting, 1), self._most_blocks)
        return list(zip(results[::2], results[1::2], strict=True))

    def _one_by_one(self, numbers: Sequence[int]) -> list[tuple[Any, Any]]:
        """Single calls, several at a time, for a node that takes no batches."""
        calls = [call for number in numbers for call in _calls(number, 0).split(b"\n,")]
        with ThreadPoolExecutor(_SINGLE_CALLS_AT_ONCE) as threads:
            results = list(threads.map(self._single, calls))
        return list(zip(results[::2], results[1::2], strict=True))

    def _single(self, call: bytes) -> Any:
        try:
            answer, _ = self._post(call)
        except _BatchRefusedError as error:
            raise UnansweredError(str(error)) from error  # there is nothing smaller to ask for
        if not isinstance(answer, dict) or "result" not in answer:
            raise UnansweredError(f"the node refused a call: {str(answer)[:300]}")
        return answer["result"]

    def _post(self, body: bytes) -> tuple[Any, int]:
        """The answer and its length in bytes."""
        connection = self._idle.pop() if self._idle else self._connect()
        try:
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            data = response.read(_MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise UnansweredError(f"no answer from the node: {error!r}") from error
        self._idle.append(connection)
        if response.status in {_RATE_LIMITED, _UNAVAILABLE}:
            asked = response.headers.get("Retry-After")
            raise BusyNodeError(read_retry_after(asked, now=datetime.now(UTC)))
        if response.status != _OK:
            raise _BatchRefusedError(f"the node answered with HTTP status {response.status}")
        try:
            return orjson.loads(data), len(data)
        except orjson.JSONDecodeError as error:
            raise UnansweredError("the node did not answer in JSON") from error

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


def _calls(number: int, first_id: int) -> bytes:
    height = hex(number)
    return (
        f'{{"jsonrpc":"2.0","id":{first_id},"method":"eth_getBlockByNumber",'
        f'"params":["{height}",true]}}\n,'
        f'{{"jsonrpc":"2.0","id":{first_id + 1},"method":"eth_getBlockReceipts",'
        f'"params":["{height}"]}}'
    ).encode()
