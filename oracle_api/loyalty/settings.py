"""The key under which student ids are kept."""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr
from pydantic_settings import BaseSettings

from ledger.errors import RejectedError
from oracle_api.secret_file import read_secret_file


def _key(value: SecretStr) -> SecretStr:
    if re.fullmatch(r"[0-9a-fA-F]{64}", value.get_secret_value()) is None:
        raise ValueError("it must be 64 hex digits, such as `openssl rand -hex 32` prints")
    return value


class LoyaltySettings(BaseSettings):
    """A part of the oracle's settings; the key itself, or a file that holds it."""

    student_hash_key: Annotated[SecretStr, AfterValidator(_key)] | None = None
    student_hash_key_file: Path | None = None

    @cached_property
    def student_key(self) -> bytes | None:
        """The key's 32 bytes; None when loyalty has none.

        Raises:
            RejectedError: `setting_wrong`; the file cannot be read or does not hold a key.
        """
        if self.student_hash_key is not None:
            return bytes.fromhex(self.student_hash_key.get_secret_value())
        if self.student_hash_key_file is None:
            return None
        content = read_secret_file(self.student_hash_key_file, "BILLCOIN_STUDENT_HASH_KEY_FILE")
        try:
            text = content.decode("ascii").strip()
            return bytes.fromhex(_key(SecretStr(text)).get_secret_value())
        except UnicodeError:
            told = "it holds no hex digits"
        except ValueError as error:
            told = str(error)
        raise RejectedError("setting_wrong", f"BILLCOIN_STUDENT_HASH_KEY_FILE: {told}")
