"""What a person is told to do about each halt, in the log line itself."""

from indexer.deployment_check import WrongDeploymentError
from indexer.lead import HaltedError
from indexer.self_test import UnprovableChainError
from ledger.chain import FinalityConflictError
from ledger.errors import CorruptError
from ledger.store.contract_events import FollowedContractsError
from ledger.store.cursor import DeploymentMismatchError

_SETTINGS = (
    "Nothing was written. Check BILLCOIN_CHAIN_ID, DATABASE_URL, the nodes' URLs and the contracts'"
    " addresses against what the reason names, correct them, and start `billcoin-indexer run` again"
)
_RESUME = "run `billcoin-indexer resume`, then start `billcoin-indexer run` again"
_WHERE = 'See docs/operator.md, "Halted"'

_BY_CODE = {
    FinalityConflictError.__name__: (
        "Compare the finalized block's hash with a public explorer or the chain's operators, and "
        "`billcoin-indexer status` with each node. Nodes wrong: replace them, "
        f"{_RESUME}. Chain broke finality: stop selling, keep this database, do not resume"
    ),
    WrongDeploymentError.__name__: _SETTINGS,
    DeploymentMismatchError.__name__: _SETTINGS,
    FollowedContractsError.__name__: _SETTINGS,
    UnprovableChainError.__name__: (
        "Nothing was written. Ask the node's provider which encoding the chain's headers have; "
        "name at least two independent nodes in BILLCOIN_NODE_HTTP_URL, set BILLCOIN_NODES_REQUIRED"
        " to 2 or more, and start `billcoin-indexer run` again"
    ),
}
_OTHERWISE = (
    "Check `billcoin-indexer status` for the halt's code and reason, and the logs before it; once "
    f"its cause is gone, {_RESUME}"
)


def halt_instructions(error: CorruptError) -> str:
    """What to check, which command to run then, and where the runbook has more."""
    if isinstance(error, HaltedError):
        # What it halted for earlier is noted in the ledger: only `resume` lets it start again.
        told = _BY_CODE.get(error.earlier_code, _OTHERWISE)
        told = told if _RESUME in told else _OTHERWISE
    else:
        told = _BY_CODE.get(type(error).__name__, _OTHERWISE)
    return f"{told}. {_WHERE}."
