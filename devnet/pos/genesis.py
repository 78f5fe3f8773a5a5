"""What both clients start from: the execution chain's genesis, the consensus rules, the secret."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from devnet.anvil import DEFAULT_CHAIN_ID
from devnet.dev_accounts import dev_account
from devnet.home import write_private

RICH_ACCOUNTS = 10
VALIDATORS = 8
# The milk economy's contracts fit into one block, as on anvil.
GAS_LIMIT = 30_000_000
_BASE_FEE_WEI = 10**9
_RICH_WEI = 10**4 * 10**18
_FORKS = (
    *("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg"),
    *("istanbul", "berlin", "london", "mergeFork"),
)


@dataclass(frozen=True)
class Rules:
    """How fast the chain is; a transaction is final after about two epochs and a half."""

    slot_seconds: int = 2
    slots_per_epoch: int = 4


@dataclass(frozen=True)
class GenesisFiles:
    """Where the files lie."""

    execution: Path
    rules: Path
    secret: Path


def write_genesis(folder: Path, rules: Rules) -> GenesisFiles:
    """Write what the clients are started with; the secret between them is new each time."""
    files = GenesisFiles(folder / "genesis.json", folder / "rules.yaml", folder / "secret.hex")
    files.execution.write_text(json.dumps(execution_genesis(), indent=2) + "\n")
    files.rules.write_text(consensus_rules(rules))
    write_private(files.secret, secrets.token_hex(32))
    return files


def execution_genesis() -> dict[str, object]:
    """Block 0 in go-ethereum's form: Shanghai, and proof of stake, from the first block on."""
    config: dict[str, object] = {f"{fork}Block": 0 for fork in _FORKS}
    config |= {"chainId": DEFAULT_CHAIN_ID, "shanghaiTime": 0}
    config |= {"terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": True}
    rich = [dev_account(index).address for index in range(RICH_ACCOUNTS)]
    return {
        "config": config,
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": "0x",
        "gasLimit": hex(GAS_LIMIT),
        "difficulty": "0x0",
        "mixHash": "0x" + "00" * 32,
        "coinbase": "0x" + "00" * 20,
        "baseFeePerGas": hex(_BASE_FEE_WEI),
        "alloc": {address: {"balance": hex(_RICH_WEI)} for address in rich},
    }


def consensus_rules(rules: Rules) -> str:
    """What differs from the consensus specification's minimal preset."""
    values = {
        "PRESET_BASE": "minimal",
        "CONFIG_NAME": "billcoin-devnet",
        "SECONDS_PER_SLOT": rules.slot_seconds,
        "ALTAIR_FORK_EPOCH": 0,
        "BELLATRIX_FORK_EPOCH": 0,
        "CAPELLA_FORK_EPOCH": 0,
        "TERMINAL_TOTAL_DIFFICULTY": 0,
        "DEPOSIT_CHAIN_ID": DEFAULT_CHAIN_ID,
        "DEPOSIT_NETWORK_ID": DEFAULT_CHAIN_ID,
        "MIN_GENESIS_ACTIVE_VALIDATOR_COUNT": 1,
    }
    return "".join(f"{name}: {value}\n" for name, value in values.items())
