"""An audit's report: what was compared, the verdict, and who signs for it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from ledger.errors import RejectedError

FORMAT = "billcoin-audit/2"
_OTHERS_MAY = 0o077


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found; `started_at` in Unix seconds."""

    format: str
    verdict: str
    chain_id: int
    token: str
    contracts: dict[str, str]
    node: str
    first_block: int
    last_block: int
    ledger_digest: str
    node_digest: str
    ledger_blocks: int
    node_blocks: int
    ledger_transfers: int
    node_transfers: int
    ledger_events: int
    node_events: int
    first_difference: int | None
    differences: list[dict[str, Any]]
    started_at: int
    seconds: float

    @property
    def is_identical(self) -> bool:
        """Whether ledger and node agree about every row."""
        return self.verdict == "identical"

    def as_json(self) -> dict[str, Any]:
        """The report as it is printed and signed."""
        return asdict(self)


def signed(report: Report, key_path: Path) -> dict[str, Any]:
    """The report with an Ethereum signature (EIP-191) over its canonical bytes.

    Raises:
        RejectedError: `key_unusable`: the file is no key, or others can read it.
    """
    from contracts.signing import Account, encode_defunct  # noqa: PLC0415 - only signing needs it

    try:
        if key_path.stat().st_mode & _OTHERS_MAY:
            raise RejectedError("key_unusable", f"others can read {key_path}: chmod 600 it")
        account = Account.from_key(key_path.read_text().strip())
    except (OSError, ValueError) as error:
        raise RejectedError(
            "key_unusable", f"{key_path} does not hold a private key of 0x and 64 hex digits"
        ) from error
    values = report.as_json()
    signature = account.sign_message(encode_defunct(_canonical(values))).signature
    return {"report": values, "signer": account.address, "signature": "0x" + signature.hex()}


def check_signature(document: Any, *, signer: str) -> dict[str, Any]:
    """The report in a signed document, when `signer` has signed exactly this.

    Raises:
        RejectedError: `report_malformed` or `signature_wrong`.
    """
    from contracts.signing import Account, encode_defunct  # noqa: PLC0415 - as above

    if not isinstance(document, dict) or not isinstance(document.get("report"), dict):
        raise RejectedError("report_malformed", "this is no signed audit report")
    report: dict[str, Any] = document["report"]
    try:
        found = Account.recover_message(
            encode_defunct(_canonical(report)), signature=document.get("signature")
        )
    except Exception as error:  # the library raises many kinds for a malformed signature
        raise RejectedError("signature_wrong", "the signature is none") from error
    if found.lower() != signer.lower():
        raise RejectedError("signature_wrong", f"signed by {found}, not by {signer}, or altered")
    return report


def _canonical(values: dict[str, Any]) -> bytes:
    """JSON without blanks, names in the order of the alphabet: docs/auditor.md says so."""
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
