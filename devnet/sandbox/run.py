"""One situation from nothing to the oracle's answer."""

from contextlib import AsyncExitStack
from typing import Any

from billcoin_client import (
    AsyncBillcoinClient,
    AuthenticationError,
    BillcoinError,
    OracleUnreachableError,
    ProblemError,
)
from contracts.signing import Account, LocalAccount
from devnet.credentials import HINT
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account, require_throwaway_chain
from devnet.faucet import give
from devnet.manifest import Manifest
from devnet.node import open_node
from devnet.sandbox.scene import Scene, told
from devnet.sandbox.situations import Situation
from devnet.transactions import address_of
from ledger.errors import RejectedError, TransientError
from ledger.units import parse_bill

PAYER_BILL = "100"
PAYER_GAS_WEI = 10**18


async def produce(
    situation: Situation, manifest: Manifest, *, oracle_url: str, api_key: str | None
) -> dict[str, Any]:
    """Bring the situation about, and tell what was done, asked and answered.

    Raises:
        RejectedError: `wallet_needed` or `chain_unsupported`, or the oracle refused a request.
        TransientError: the oracle cannot be reached, or does not come to the answer.
    """
    require_throwaway_chain(manifest.deployment.chain_id)
    try:
        return await _produce(situation, manifest, oracle_url=oracle_url, api_key=api_key)
    except AuthenticationError as error:
        raise RejectedError(error.code, f"the oracle wants a partner's API key: {HINT}") from error
    except ProblemError as error:
        raise RejectedError(error.code, f"the oracle refused: {error}") from error
    except OracleUnreachableError as error:
        raise TransientError(str(error)) from error
    except (BillcoinError, ValueError) as error:
        raise RejectedError("oracle_unexpected", str(error)) from error


async def _produce(
    situation: Situation, manifest: Manifest, *, oracle_url: str, api_key: str | None
) -> dict[str, Any]:
    payer: LocalAccount = Account.create()
    async with AsyncExitStack() as exits:
        client = await exits.enter_async_context(AsyncBillcoinClient(oracle_url, api_key=api_key))
        node = await exits.enter_async_context(open_node(manifest.node_http_url))
        await give(
            node,
            dev_account(DEPLOYER_INDEX),
            address_of(payer),
            deployment=manifest.deployment,
            units=parse_bill(PAYER_BILL),
            gas_wei=PAYER_GAS_WEI,
        )
        scene = Scene(client, node, payer, manifest.deployment)
        asked = await situation.produce(scene)
        said = await scene.ask_until(asked, situation.code)
        return {
            "situation": situation.name,
            "orderIds": [order.id for order in scene.orders],
            "txHashes": scene.tx_hashes,
            "question": told(asked),
            "answer": {
                "valid": said.valid,
                "error": said.error,
                "status": said.verdict.status,
                "retryable": said.verdict.retryable,
            },
        }
