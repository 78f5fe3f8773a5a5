"""What both clients share: how requests look, what answers mean, and when to try again."""

import ipaddress
import json
import platform
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx

from billcoin_client.calls import Answer, Call
from billcoin_client.errors import AnswerMalformedError, BillcoinError, ProblemError, problem_error
from billcoin_client.version import API_VERSION, VERSION

Result = TypeVar("Result")

USER_AGENT: Final = f"billcoin-client/{VERSION} python/{platform.python_version()}"
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 64
"""Of an answer's objects and lists. Python's reader goes as deep as the recursion limit lets it;
a library that eth-account brings sets that so high that the stack ends, and the program with it."""

_FIRST_REFUSAL: Final = 400
_NOT_MODIFIED: Final = 304
# A text, also one that never ends, or where an object or a list begins or ends.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
_TEMPORARY: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How long to wait for answers, and how often to ask again.

    `retries` is how many times more, after the first; a wait that the oracle asks for and that is
    longer than `max_pause_seconds` is left to the caller.
    """

    timeout_seconds: float = 10.0
    retries: int = 3
    first_pause_seconds: float = 0.25
    max_pause_seconds: float = 30.0


@dataclass(frozen=True)
class Exchange:
    """One oracle, the caller's credentials, and the caller's patience."""

    base_url: str
    api_key: str | None
    patience: Patience
    chance: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        url = httpx.URL(self.base_url)
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError(f"{self.base_url!r} is no URL of an oracle")
        if self.api_key and url.scheme == "http" and not _is_local(url.host):
            raise ValueError("an API key is sent over https only")

    def __repr__(self) -> str:
        return f"Exchange({self.base_url!r})"

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """The arguments of httpx's `request`."""
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "BillCoin-Version": API_VERSION,
            **call.headers,
        }
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        content = None if call.body is None else json.dumps(call.body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        return {
            "method": call.method,
            "url": self.base_url.rstrip("/") + call.path,
            "params": call.query or None,
            "headers": headers,
            "content": content,
            # A held request is silent for as long as it was asked to wait.
            "timeout": self.patience.timeout_seconds + call.wait_seconds,
            "follow_redirects": False,
        }

    def read(self, call: Call[Result], response: httpx.Response) -> Result:
        """What the answer means.

        Raises:
            ProblemError: the oracle refused.
            AnswerMalformedError: this was no oracle.
        """
        document = _document(response)
        if response.status_code >= _FIRST_REFUSAL:
            problem = document if isinstance(document, dict) else {}
            error = problem_error(
                response.status_code, problem, retry_after_seconds=_retry_after(response)
            )
            if "code" not in problem:
                # Of a proxy: what is worth another try is then known by the status alone.
                error.retryable = response.status_code in _TEMPORARY
            raise error
        if not response.is_success and response.status_code != _NOT_MODIFIED:
            raise AnswerMalformedError(f"an oracle does not answer with {response.status_code}")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return call.read(Answer(response.status_code, headers, response.text, document))

    def pause(self, error: BillcoinError, attempt: int) -> float | None:
        """How many seconds to wait before the next attempt; None when there shall be none."""
        if not error.retryable or attempt >= self.patience.retries:
            return None
        asked = error.retry_after_seconds if isinstance(error, ProblemError) else None
        if asked is not None and asked > self.patience.max_pause_seconds:
            return None
        # Chance keeps many clients from coming back at the same moment.
        own: float = self.patience.first_pause_seconds * 2**attempt * (0.5 + self.chance())
        return min(max(asked or 0.0, own), self.patience.max_pause_seconds)


def _document(response: httpx.Response) -> Any:
    if "json" not in response.headers.get("content-type", ""):
        return None
    if len(response.content) > MAX_ANSWER_BYTES:
        raise AnswerMalformedError("the answer is too long")
    if _is_too_deep(response.content):
        raise AnswerMalformedError("the answer is nested too deeply")
    try:
        return response.json()
    except ValueError as error:
        raise AnswerMalformedError("the answer is no JSON") from error


def _is_too_deep(content: bytes) -> bool:
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _TOKEN.finditer(content):
        if token[0] in {b"[", b"{"}:
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token[0] in {b"]", b"}"}:
            depth -= 1
    return False


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
