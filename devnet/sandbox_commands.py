"""`billcoin-devnet sandbox`: try an integration against each answer of the oracle."""

import asyncio
import json
import os
from typing import Annotated, Any

import typer

from devnet.console import say_result
from devnet.home import state_home
from devnet.manifest import MANIFEST_NAME, load_manifest
from devnet.wallet_commands import Json
from ledger.errors import RejectedError

Name = Annotated[
    str | None, typer.Argument(metavar="[SITUATION]", help="Which; without one they are listed.")
]
Oracle = Annotated[
    str | None,
    typer.Option(envvar="ORACLE", help="The oracle's base URL; by default the demo's."),
]
ApiKey = Annotated[
    str | None,
    typer.Option(envvar="BILLCOIN_API_KEY", help="Yours, where the oracle wants one."),
]


def sandbox(
    situation: Name = None, *, oracle: Oracle = None, api_key: ApiKey = None, as_json: Json = False
) -> None:
    """Bring about one situation on a running demo's chain, and show what the oracle says of it.

    An order is made through the API, paid (or not) by a new payer on the chain, and asked about.
    What is printed can be asked about again by a program of yours.
    """
    # No other command needs the partner's client to be installed.
    from devnet.sandbox.run import produce  # noqa: PLC0415
    from devnet.sandbox.situations import SITUATIONS  # noqa: PLC0415

    if situation is None:
        codes = {one.name: one.code for one in SITUATIONS.values()}
        lines = [f"{one.name:14} {one.code:22} {one.summary}" for one in SITUATIONS.values()]
        say_result(codes, "\n".join(lines), as_json=as_json)
        return
    chosen = SITUATIONS.get(situation)
    if chosen is None:
        names = ", ".join(SITUATIONS)
        raise RejectedError("situation_unknown", f"{situation} is none of: {names}")
    done = asyncio.run(
        produce(
            chosen, load_manifest(state_home()), oracle_url=oracle or demo_url(), api_key=api_key
        )
    )
    say_result(done, _describe(done), as_json=as_json)


def demo_url() -> str:
    """The base URL of the oracle that the state folder or the environment names.

    Raises:
        RejectedError: `not_configured`.
    """
    path = state_home() / MANIFEST_NAME
    stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    known = stored | dict(os.environ)
    port = known.get("BILLCOIN_ORACLE_PORT")
    if not port:
        raise RejectedError(
            "not_configured",
            "where is the oracle? Give --oracle URL, or set BILLCOIN_HOME to the folder that a "
            "demo printed",
        )
    return f"http://{known.get('BILLCOIN_ORACLE_HOST', '127.0.0.1')}:{port}"


def _describe(done: dict[str, Any]) -> str:
    answer = done["answer"]
    word = "valid" if answer["valid"] else f"not valid: {answer['error']}"
    return "\n".join(
        [
            *(f"order {order_id}" for order_id in done["orderIds"]),
            *(f"transaction {tx_hash}" for tx_hash in done["txHashes"]),
            f"asked {json.dumps(done['question'])}",
            f"the oracle says: {word}",
        ]
    )
