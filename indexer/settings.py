"""The indexer's settings, read once from the environment."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledger.deployment import Deployment

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


class DatabaseSettings(BaseSettings):
    """What every command needs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(validation_alias="DATABASE_URL")


class IndexerSettings(DatabaseSettings):
    """What following a chain needs; times in seconds."""

    model_config = SettingsConfigDict(env_prefix="BILLCOIN_", frozen=True, extra="ignore")

    chain_id: int = Field(gt=0)
    token_address: Address
    vault_factory_address: Address
    vault_implementation_address: Address
    treasury_address: Address
    node_http_url: str
    node_ws_url: str | None = None
    start_block: int | None = Field(default=None, ge=0)
    block_time_seconds: float = Field(default=2.0, gt=0, le=60)
    request_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    catch_up_concurrency: int = Field(default=16, ge=1, le=256)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

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
