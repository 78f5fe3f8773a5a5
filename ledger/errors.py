"""The one tree of errors: retry it, refuse it, or stop."""


class LedgerError(Exception):
    """Anything that this project raises on purpose."""


class TransientError(LedgerError):
    """May succeed when tried again: a node that lags, a connection that dropped."""


class RejectedError(LedgerError):
    """The caller's fault: bad input, a conflict, something that does not exist.

    `code` is stable and machine-readable, `param` names the offending field where there is one.
    """

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class CorruptError(LedgerError):
    """Something that must never happen did: stop, keep the evidence, tell the operator."""
