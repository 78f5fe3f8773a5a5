"""The client's version, which it tells the oracle."""

from typing import Final

VERSION: Final = "0.1.0"
