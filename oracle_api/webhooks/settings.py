"""The settings about webhooks; part of the oracle's settings."""

from functools import cached_property
from pathlib import Path

from pydantic_settings import BaseSettings

from oracle_api.access.keyring import Keyring


class WebhookSettings(BaseSettings):
    """What encrypts the secrets of webhooks, and where webhooks may lead."""

    webhook_keys_file: Path | None = None
    webhook_allow_private: bool = False

    @cached_property
    def webhook_keyring(self) -> Keyring | None:
        """What encrypts the secrets; without a file there are no webhooks.

        Raises:
            RejectedError: `setting_wrong`; the file cannot be read.
        """
        path = self.webhook_keys_file
        return None if path is None else Keyring.from_file(path, "BILLCOIN_WEBHOOK_KEYS_FILE")


def check_webhooks(settings: WebhookSettings) -> None:
    """Read the file of keys at the start, so that a wrong one is told then and not at night.

    Raises:
        RejectedError: `setting_wrong`.
    """
    _ = settings.webhook_keyring
