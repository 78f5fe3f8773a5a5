"""`billcoin-indexer verify-proof`: checks a payment offline, trusting a block hash alone."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from indexer.console import EXIT_UNSOUND, EXIT_USAGE, Json, fail, say
from ledger.json_hex import UnprovenError, read_data, to_hex
from ledger.proof import ProvenPayment, check_proof
from ledger.trie_proof import ProofRefusedError
from ledger.units import Units, format_bill

_MAX_FILE_BYTES = 4 * 1024 * 1024


def verify_proof(
    file: Annotated[Path, typer.Argument(help="What the oracle answered.", exists=True)],
    *,
    block_hash: Annotated[
        str | None,
        typer.Option(
            "--block-hash", help="The block's hash, 0x..., from somebody you trust: your own node."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a payment's proof; needs no database, no node and no settings.

    Exit status 1 when anything in the file is not as its block hash says. Without --block-hash it
    is only shown that the file agrees with itself: compare its block hash with your own node.
    """
    trusted = None if block_hash is None else _read_hash(block_hash)
    try:
        proven = check_proof(_read(file), block_hash=trusted)
    except ProofRefusedError as error:
        if as_json:
            say({"valid": False, "code": error.code, "error": str(error)}, as_json=True, title="")
        fail(f"refused ({error.code}): {error}", status=EXIT_UNSOUND)
    say(_told(proven, is_trusted=trusted is not None), as_json=as_json, title="Proven payment")


def _told(proven: ProvenPayment, *, is_trusted: bool) -> dict[str, object]:
    return {
        "valid": True,
        "block_hash_trusted": is_trusted,
        "block_number": proven.block_number,
        "block_hash": to_hex(proven.block_hash),
        "block_timestamp": proven.block_timestamp,
        "tx_hash": to_hex(proven.tx_hash),
        "token": to_hex(proven.token),
        "transfers": [
            f"{format_bill(Units(int(item['amountUnits'])))} BILL from {item['sender']} "
            f"to {item['recipient']}"
            for item in proven.transfers
        ],
    }


def _read_hash(text: str) -> bytes:
    try:
        return read_data(text.lower(), field="--block-hash", length=32)
    except UnprovenError as error:
        fail(str(error), status=EXIT_USAGE)


def _read(file: Path) -> object:
    if file.stat().st_size > _MAX_FILE_BYTES:
        fail("the file is too large for a proof", status=EXIT_USAGE)
    try:
        return orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ProofRefusedError("proof_malformed", "the file is not JSON") from error
