"""The indexer's settings, read once from the environment."""

from itertools import zip_longest
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contracts.followed import Contract, EventDecoder
from ledger.deployment import Deployment
from ledger.errors import RejectedError

_ADDRESS_LENGTH = 20


def _address(value: Any) -> bytes:
    text = str(value)
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != _ADDRESS_LENGTH:
        raise ValueError(
            "must be a 20-byte address such as 0x5FbDB2315678afecb367f032d93F642f64180aa3"
        )
    return address


Address = Annotated[bytes, BeforeValidator(_address)]


def _urls(value: Any) -> tuple[str | None, ...]:
    if isinstance(value, tuple):
        return value
    return tuple(part.strip() or None for part in str(value).split(","))


Urls = Annotated[tuple[str | None, ...], NoDecode, BeforeValidator(_urls)]


class NodeUrls(NamedTuple):
    """Where one node is reached.

    One without a WebSocket is followed by polling; one whose first URL is a WebSocket's is asked
    for everything over that.
    """

    http: str
    ws: str | None

    @property
    def is_socket_only(self) -> bool:
        """Whether the node has no HTTP endpoint."""
        return self.http.startswith(("ws://", "wss://"))


class DatabaseSettings(BaseSettings):
    """What every command needs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(validation_alias="DATABASE_URL")


class IndexerSettings(DatabaseSettings):
    """What following a chain needs; times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="BILLCOIN_",
        env_ignore_empty=True,  # as compose files write what is not set
        frozen=True,
        extra="ignore",
    )

    chain_id: int = Field(gt=0)
    token_address: Address
    vault_factory_address: Address
    vault_implementation_address: Address
    treasury_address: Address
    minting_module_address: Address | None = None
    milk_market_address: Address | None = None
    milk_price_feed_address: Address | None = None
    standing_orders_address: Address | None = None
    node_http_url: Urls
    node_ws_url: Urls = ()
    nodes_required: int | None = Field(default=None, ge=1)
    start_block: int | None = Field(default=None, ge=0)
    block_time_seconds: float = Field(default=2.0, gt=0, le=60)
    request_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    catch_up_concurrency: int = Field(default=16, ge=1, le=256)
    reconcile_seconds: float = Field(default=60.0, gt=0)
    indexer_metrics_host: str = "127.0.0.1"
    indexer_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @model_validator(mode="after")
    def _check_nodes(self) -> Self:
        if None in self.node_http_url:
            raise ValueError("BILLCOIN_NODE_HTTP_URL must hold a URL between all its commas")
        if len(self.node_ws_url) > len(self.node_http_url):
            raise ValueError("BILLCOIN_NODE_WS_URL names more nodes than BILLCOIN_NODE_HTTP_URL")
        if self.required > len(self.node_http_url):
            raise ValueError("BILLCOIN_NODES_REQUIRED is more than there are nodes")
        return self

    @property
    def nodes(self) -> tuple[NodeUrls, ...]:
        """The nodes, each with its WebSocket in the same place of the other list, if any."""
        pairs = zip_longest(self.node_http_url, self.node_ws_url)
        return tuple(NodeUrls(http, ws) for http, ws in pairs if http is not None)

    def history_url(self, chosen: str | None = None) -> str:
        """The node that history is read from: the chosen one, or the first that speaks HTTP.

        Raises:
            RejectedError: `http_node_needed`: batches of blocks are fetched over HTTP only.
        """
        urls = [chosen] if chosen is not None else [node.http for node in self.nodes]
        for url in urls:
            if url.startswith(("http://", "https://")):
                return url
        raise RejectedError(
            "http_node_needed",
            "history is read over HTTP: put an http:// URL into BILLCOIN_NODE_HTTP_URL "
            "(audit and reindex take one as --node http://... too)",
        )

    @property
    def required(self) -> int:
        """How many nodes must agree on what cannot be proved; by default more than half."""
        return self.nodes_required or len(self.node_http_url) // 2 + 1

    @property
    def events(self) -> EventDecoder:
        """What reads the events of the contracts to follow beside the token."""
        named = {contract: getattr(self, f"{contract}_address") for contract in Contract}
        return EventDecoder(
            tuple((contract, address) for contract, address in named.items() if address)
        )

    @property
    def deployment(self) -> Deployment:
        """The chain and contracts to follow."""
        return Deployment(
            chain_id=self.chain_id,
            token=self.token_address,
            vault_factory=self.vault_factory_address,
            vault_implementation=self.vault_implementation_address,
            treasury=self.treasury_address,
        )
