"""The settings about who may do what."""

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledger.errors import RejectedError

AccessMode = Literal["accounts", "open"]
KeyKind = Literal["test", "live"]


class AccessSettings(BaseSettings):
    """What the server and the commands about accounts are told alike."""

    model_config = SettingsConfigDict(
        env_prefix="BILLCOIN_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
    )

    access: AccessMode = "accounts"
    office_name: str = Field(default="the administrative office", min_length=1, max_length=120)
    office_contact: str | None = Field(default=None, min_length=1, max_length=200)
    token_keys_file: Path | None = None
    token_issuer: str = Field(default="billcoin-oracle", min_length=1, max_length=200)
    api_key_kind: KeyKind = "test"
    wallet_keys_file: Path | None = None


def check_access(settings: AccessSettings, *, host: str) -> None:
    """Refuse what would let strangers in.

    Raises:
        RejectedError: `setting_wrong`.
    """
    if is_loopback(host):
        return
    if settings.access == "open":
        raise RejectedError(
            "setting_wrong",
            "BILLCOIN_ACCESS=open lets everybody do everything, so BILLCOIN_ORACLE_HOST must be "
            "a loopback address such as 127.0.0.1",
        )
    if settings.token_keys_file is None:
        raise RejectedError(
            "setting_wrong",
            "BILLCOIN_TOKEN_KEYS_FILE is not set: beyond the loopback interface the tokens' keys "
            "must be kept (make a file with `billcoin-oracle keys new`)",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
