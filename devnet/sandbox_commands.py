"""`billcoin-devnet sandbox`: try an integration against each answer of the oracle."""

import asyncio
import json
from typing import Annotated, Any

import typer

from devnet.console import say_result
from devnet.credentials import oracle_and_key
from devnet.home import state_home
from devnet.manifest import load_manifest
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
    typer.Option(envvar="BILLCOIN_API_KEY", help="A partner's; by default the demo's."),
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
    home = state_home()
    manifest = load_manifest(home)
    oracle_url, key = oracle_and_key(oracle, api_key, home)
    done = asyncio.run(produce(chosen, manifest, oracle_url=oracle_url, api_key=key))
    say_result(done, _describe(done), as_json=as_json)


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
