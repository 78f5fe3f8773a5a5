"""The client's version, which it tells the oracle."""

from typing import Final

VERSION: Final = "0.1.0"
API_VERSION: Final = "2026-11-24"
"""The dated version of the API that this client was written for."""
