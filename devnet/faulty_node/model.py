"""The synthetic chain: a tree of valid blocks, which branch is canonical, and how deep is final."""

from collections.abc import Callable, Sequence
from random import Random

from devnet.faulty_node.blocks import ModelBlock, build_block
from devnet.faulty_node.bloom import BloomKind
from devnet.faulty_node.drafts import Draft, LogDraft, draft_transaction, transfer_log
from ledger.deployment import Deployment
from ledger.errors import RejectedError
from ledger.keccak import keccak256
from ledger.order_address import implementation_address

DEFAULT_CHAIN_ID = 31337
GENESIS_TIMESTAMP = 1_750_000_000
BLOCK_TIME_SECONDS = 12
WALLET_UNITS = 10**9 * 10**18
ZERO_ADDRESS = bytes(20)

_WALLETS = 4


def model_deployment(chain_id: int = DEFAULT_CHAIN_ID) -> Deployment:
    """The contracts that every synthetic chain has, from block 1 on."""
    factory = _address("vault factory")
    return Deployment(
        chain_id=chain_id,
        token=_address("BILL"),
        vault_factory=factory,
        vault_implementation=implementation_address(factory=factory),
        treasury=_address("treasury"),
    )


def model_feed() -> bytes:
    """Where every synthetic chain has a price feed, for indexers that follow one."""
    return _address("price feed")


class ChainModel:
    """All blocks ever made and which of them the chain consists of now.

    Everything arbitrary is drawn from `random`, so that a seed gives the same chain again. Block 1
    mints BILL for the `wallets`.
    """

    def __init__(
        self,
        random: Random,
        *,
        deployment: Deployment | None = None,
        bloom_kind: BloomKind = BloomKind.TRUE,
        genesis_timestamp: int = GENESIS_TIMESTAMP,
    ) -> None:
        self.random = random
        self.deployment = deployment or model_deployment()
        self.bloom_kind = bloom_kind
        self.wallets = tuple(_address(f"wallet {number}") for number in range(_WALLETS))
        self.listeners: list[Callable[[ModelBlock], None]] = []
        genesis = build_block(random, None, (), timestamp=genesis_timestamp, bloom_kind=bloom_kind)
        self.blocks: dict[bytes, ModelBlock] = {genesis.hash: genesis}
        self.lone_blocks: dict[bytes, ModelBlock] = {}
        """Valid blocks that only one lying node has: never part of the chain."""
        self._canonical: list[ModelBlock] = [genesis]
        self.safe = self.finalized = genesis
        self.mine(
            [
                self.draft([self.transfer(ZERO_ADDRESS, wallet, WALLET_UNITS)])
                for wallet in self.wallets
            ]
        )

    @property
    def head(self) -> ModelBlock:
        """The newest canonical block."""
        return self._canonical[-1]

    def at(self, number: int) -> ModelBlock | None:
        """The canonical block of a height."""
        return self._canonical[number] if 0 <= number < len(self._canonical) else None

    def transfer(self, sender: bytes, recipient: bytes, amount: int) -> LogDraft:
        """A genuine transfer log of this chain's token."""
        return transfer_log(self.deployment.token, sender, recipient, amount)

    def draft(self, logs: Sequence[LogDraft], *, kind: int = 2) -> Draft:
        """A transaction with these logs."""
        return draft_transaction(
            self.random,
            chain_id=self.deployment.chain_id,
            to=self.deployment.token,
            logs=logs,
            kind=kind,
        )

    def pay(self, recipient: bytes, amount: int) -> Draft:
        """A transaction in which a wallet sends BILL."""
        return self.draft([self.transfer(self.wallets[0], recipient, amount)])

    def build(
        self,
        drafts: Sequence[Draft] = (),
        *,
        on: ModelBlock | None = None,
        seconds: int | None = None,
    ) -> ModelBlock:
        """Make a block on `on` (the head by default) without moving there or telling anybody."""
        parent = on or self.head
        return build_block(
            self.random,
            parent,
            drafts,
            timestamp=parent.timestamp + (BLOCK_TIME_SECONDS if seconds is None else seconds),
            bloom_kind=self.bloom_kind,
        )

    def mine(self, drafts: Sequence[Draft] = (), *, seconds: int | None = None) -> ModelBlock:
        """Make a block on the head and move there."""
        block = self.build(drafts, seconds=seconds)
        self.switch_to(block)
        return block

    def reorg(
        self, depth: int, replacement: Sequence[Sequence[Draft]], *, seconds: int | None = None
    ) -> ModelBlock:
        """Replace the newest `depth` blocks by blocks with these contents; returns the new head.

        Raises:
            RejectedError: `reorg_too_deep` or `reorg_empty`.
        """
        fork = self.at(self.head.number - depth)
        if fork is None or depth < 0:
            raise RejectedError("reorg_too_deep", f"there are no {depth} blocks to replace")
        if not replacement:
            raise RejectedError("reorg_empty", "a branch has at least one block")
        block = fork
        for drafts in replacement:
            block = self.build(drafts, on=block, seconds=seconds)
            self.blocks[block.hash] = block
        self.switch_to(block)
        return block

    def switch_to(self, head: ModelBlock) -> None:
        """Make `head` the newest canonical block, wherever in the tree it stands."""
        self.blocks[head.hash] = head
        branch = self.branch(head)
        del self._canonical[branch[0].number :]
        self._canonical += branch
        for tell in tuple(self.listeners):
            tell(head)

    def branch(self, head: ModelBlock) -> list[ModelBlock]:
        """`head` and its ancestors that are not canonical, oldest first; at least `head`."""
        branch = [head]
        while not self.is_canonical(branch[-1].parent_hash, branch[-1].number - 1):
            branch.append(self.blocks[branch[-1].parent_hash])
        return branch[::-1]

    def is_canonical(self, block_hash: bytes, number: int) -> bool:
        """Whether this block is part of the chain now."""
        found = self.at(number)
        return found is not None and found.hash == block_hash

    def declare(self, *, safe: int, finalized: int) -> None:
        """Call the canonical blocks of these heights safe and finalized.

        Raises:
            RejectedError: `depth_unknown` where there is no such block.
        """
        safe_block, final_block = self.at(safe), self.at(finalized)
        if safe_block is None or final_block is None:
            raise RejectedError("depth_unknown", "only a canonical block can be safe or finalized")
        self.safe, self.finalized = safe_block, final_block


def _address(name: str) -> bytes:
    return keccak256(b"faulty node: " + name.encode())[-20:]
