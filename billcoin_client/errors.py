"""Everything that this client raises, in one tree."""

from collections.abc import Mapping
from typing import Any, Final


class BillcoinError(Exception):
    """The root of the tree; `retryable` says whether the same call may succeed later."""

    retryable = False


class OracleUnreachableError(BillcoinError):
    """No answer came: no connection, or a time-out. Nothing is known of what was asked."""

    retryable = True


class AnswerMalformedError(BillcoinError):
    """What answered does not speak the oracle's language: most likely a proxy, or a wrong URL."""


class AttestationInvalidError(BillcoinError):
    """An attestation proves nothing; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class WebhookInvalidError(BillcoinError):
    """A delivery was not signed by the oracle, or is too old: answer 400 and do nothing."""


class ProblemError(BillcoinError):
    """The oracle refused, with a problem document (RFC 9457).

    Attributes:
        code: Stable, for programs; docs/partner.md explains each.
        detail: For people.
        status: HTTP's.
        param: The field or header at fault, where there is one.
        retryable: Whether the same request may succeed later.
        retry_after_seconds: When, if the oracle said so.
        request_id: Quote it when you write to the operator.
        problem: The whole document.
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], *, retry_after_seconds: float | None
    ) -> None:
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code", f"http_{status}"))
        self.detail = str(problem.get("detail", ""))
        param = problem.get("param")
        self.param = None if param is None else str(param)
        self.retryable = problem.get("retryable") is True
        self.retry_after_seconds = retry_after_seconds
        self.request_id = str(problem.get("requestId", ""))
        super().__init__(f"{self.code} ({status}): {self.detail} [{self.request_id}]")


class RequestInvalidError(ProblemError):
    """The request is wrong and stays wrong; `param` says where."""


class AuthenticationError(ProblemError):
    """Missing, wrong or expired credentials."""


class PermissionDeniedError(ProblemError):
    """The credentials are good, but not for this."""


class NotFoundError(ProblemError):
    """There is no such thing, or none that you may see."""


class ConflictError(ProblemError):
    """It contradicts what is there already, such as an idempotency key used for something else."""


class ThrottledError(ProblemError):
    """Too many requests; wait for `retry_after_seconds`."""


class UnsureError(ProblemError):
    """The oracle is not sure enough to answer. Not a no: hand over nothing and ask again."""


class CapabilityOffError(ProblemError):
    """This oracle's operator has not set that up; asking again changes nothing."""


class ServerError(ProblemError):
    """A fault of the oracle's, or of a proxy before it."""


_KIND_OF_STATUS: Final[Mapping[int, type[ProblemError]]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: ThrottledError,
    501: CapabilityOffError,
    503: UnsureError,
}
_FIRST_SERVER_ERROR: Final = 500


def problem_error(
    status: int, problem: Mapping[str, Any], *, retry_after_seconds: float | None
) -> ProblemError:
    """The error of the fitting kind."""
    other = ServerError if status >= _FIRST_SERVER_ERROR else RequestInvalidError
    kind = _KIND_OF_STATUS.get(status, other)
    return kind(status, problem, retry_after_seconds=retry_after_seconds)
