"""Records `tests/vectors/anvil-<hardfork>.json` anew: blocks with their receipts as anvil answers.

No test runs this. Run it by hand after a change of anvil or of the token, and commit the result:

    .venv/bin/python tests/record_vectors.py [hardfork ...]
"""

import asyncio
import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from contracts import compile as contract_compiler
from devnet import token_calls
from devnet.anvil import DEFAULT_CHAIN_ID, anvil
from devnet.dev_accounts import dev_account
from devnet.node import Node, open_node
from devnet.transactions import address_of
from ledger.json_hex import to_hex
from ledger.units import Units

HARDFORKS = ("istanbul", "berlin", "london", "paris", "shanghai", "cancun", "prague")
VECTORS = Path(__file__).parent / "vectors"

_GAS_PRICE_WEI = 20 * 10**9
_GAS_LIMIT = 200_000
_DEPLOYMENT_GAS_LIMIT = 5_000_000
# Copies one zero byte into memory and returns it: the smallest contract that has code.
_TINY_INIT_CODE = bytes.fromhex("60016000f3")
_DEPLOYER = 0
_RECIPIENTS = tuple(bytes([index]) * 20 for index in range(0xA1, 0xA9))


class Recorder:
    """One chain that makes a block only when told to."""

    def __init__(self, node: Node, hardfork: str) -> None:
        self._node = node
        self._era = HARDFORKS.index(hardfork)
        self._nonces: dict[int, int] = {}
        self.token = b""

    def has(self, hardfork: str) -> bool:
        """Whether this chain's rules include that fork's."""
        return self._era >= HARDFORKS.index(hardfork)

    async def send(self, sender: int, fields: dict[str, Any]) -> None:
        """Sign and send a transaction that waits for the next block."""
        nonce = self._nonces.get(sender, 0)
        self._nonces[sender] = nonce + 1
        prices: dict[str, Any] = {"gasPrice": _GAS_PRICE_WEI}
        if fields.get("type", 0) >= 2:
            prices = {"maxFeePerGas": _GAS_PRICE_WEI, "maxPriorityFeePerGas": 10**9}
        common = {"chainId": DEFAULT_CHAIN_ID, "nonce": nonce, "gas": _GAS_LIMIT, "value": 0}
        signed = _account(sender).sign_transaction(common | prices | fields)
        await self._node.call("eth_sendRawTransaction", to_hex(bytes(signed.raw_transaction)))

    async def pay(self, sender: int, units: int, **fields: Any) -> None:
        """Transfer BILL by a transaction of the kind that `fields` name."""
        data = token_calls.transfer(_RECIPIENTS[sender], Units(units))
        await self.send(sender, {"to": self.token, "data": data} | fields)

    async def mine(self) -> dict[str, Any]:
        """Make a block and return it with its receipts."""
        await self._node.call("evm_mine")
        block = await self._node.call("eth_getBlockByNumber", "latest", True)  # noqa: FBT003 - JSON-RPC has no names
        receipts = await self._node.call("eth_getBlockReceipts", block["number"])
        return {"block": block, "receipts": receipts}

    async def deploy_token(self) -> None:
        """Deploy BillCoin and give every sender some of it."""
        code = _token_init_code(self.has("shanghai"))
        await self.send(_DEPLOYER, {"to": b"", "data": code, "gas": _DEPLOYMENT_GAS_LIMIT})
        (receipt,) = (await self.mine())["receipts"]
        self.token = bytes.fromhex(receipt["contractAddress"][2:])
        for holder in range(len(_RECIPIENTS)):
            data = token_calls.mint(address_of(_account(holder)), Units(10**24))
            await self.send(_DEPLOYER, {"to": self.token, "data": data})
        assert {receipt["status"] for receipt in (await self.mine())["receipts"]} == {"0x1"}


async def record(hardfork: str) -> dict[str, Any]:
    """The vector file of one hardfork."""
    arguments = ["--timestamp", "1700000000"]
    async with (
        anvil(hardfork=hardfork, mining=False, arguments=arguments) as chain,
        open_node(chain.http_url) as node,
    ):
        recorder = Recorder(node, hardfork)
        await recorder.deploy_token()
        blocks = [await _every_kind(recorder), await recorder.mine(), await _one_payment(recorder)]
        return {"hardfork": hardfork, "token": to_hex(recorder.token), "blocks": blocks}


async def _every_kind(recorder: Recorder) -> dict[str, Any]:
    """A block with the fork's types of transaction, a reverted one and a contract's creation."""
    await recorder.pay(0, 10**18)
    await recorder.pay(1, 10**30)  # more than the sender has: reverted, without a log
    await recorder.send(2, {"to": b"", "data": _TINY_INIT_CODE})
    await recorder.pay(2, 0)
    if recorder.has("berlin"):
        access = [{"address": recorder.token, "storageKeys": ["0x" + "00" * 31 + "05"]}]
        await recorder.pay(3, 3 * 10**18, type=1, accessList=access)
    if recorder.has("london"):
        await recorder.pay(4, 4 * 10**18, type=2)
    # No blob transaction (type 3): anvil 1.7.1 commits it together with its blobs, which a block
    # never holds, so that its transactions root is nobody else's.
    if recorder.has("prague"):
        await recorder.pay(6, 6 * 10**18, type=4, authorizationList=[_delegation(_account(7))])
    return await recorder.mine()


async def _one_payment(recorder: Recorder) -> dict[str, Any]:
    await recorder.pay(0, 2**79 - 1)
    return await recorder.mine()


@cache
def _account(index: int) -> LocalAccount:
    return dev_account(index)


def _delegation(authority: LocalAccount) -> Any:
    return authority.sign_authorization(
        {"chainId": DEFAULT_CHAIN_ID, "address": _RECIPIENTS[7], "nonce": 0}
    )


def _token_init_code(has_push0: bool) -> bytes:  # noqa: FBT001 - one caller, right above
    """The committed code, or the same source compiled for the forks that came before PUSH0."""
    if has_push0:
        text = contract_compiler.artifact_path("billcoin").read_text(encoding="utf-8")
        return bytes.fromhex(json.loads(text)["bytecode"][2:])
    compiler, settings, bundle = contract_compiler._toolchain()
    source = bundle.load_file("billcoin.vy")
    older = source.source_code.replace("evm-version shanghai", "evm-version london")
    output = compiler.compile_from_file_input(
        replace(source, contents=older),
        input_bundle=bundle,
        settings=replace(settings, evm_version="london"),
        output_formats=["bytecode"],
    )
    return bytes.fromhex(output["bytecode"][2:])


def main() -> None:
    """Record the hardforks named on the command line, or all."""
    VECTORS.mkdir(exist_ok=True)
    for hardfork in sys.argv[1:] or HARDFORKS:
        path = VECTORS / f"anvil-{hardfork}.json"
        path.write_text(json.dumps(asyncio.run(record(hardfork)), indent=1) + "\n")
        sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
