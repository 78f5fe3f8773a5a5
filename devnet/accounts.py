"""Who may use a devnet's oracle: accounts made as an office makes them, through public doors."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from devnet.home import write_private
from devnet.oracle_client import OracleClient, SignIn, open_oracle
from devnet.services import console_script, service_environment
from ledger.errors import TransientError

ACCOUNTS_NAME: Final = "accounts.json"
STORE: Final = "cafeteria"
API_KEY_VARIABLE: Final = "BILLCOIN_API_KEY"

_OFFICE, _TILL, _FINANCE, _PARTNER, _STUDENT = "office", "till", "finance", "partner", "student"
_SCOPES: Final = ("payments:validate", "orders:read", "orders:write", "webhooks:manage")
# Without what is easily mistaken for something else: people type these.
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LETTERS = 4, 5


@dataclass(frozen=True)
class Accounts:
    """Who can sign in, and a partner's API key."""

    office: SignIn
    till: SignIn
    finance: SignIn
    student: SignIn
    partner: str
    api_key: str = field(repr=False)

    def save(self, folder: Path) -> Path:
        """Write all of it to a file that only its owner can read."""
        path = folder / ACCOUNTS_NAME
        write_private(path, json.dumps(asdict(self), indent=2))
        return path


def load_accounts(folder: Path) -> Accounts | None:
    """What `save` wrote, or None where it has not."""
    path = folder / ACCOUNTS_NAME
    if not path.exists():
        return None
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    office, till, finance, student = (
        SignIn(**stored[name]) for name in (_OFFICE, _TILL, _FINANCE, _STUDENT)
    )
    return Accounts(office, till, finance, student, stored[_PARTNER], stored["api_key"])


async def make_office(variables: Mapping[str, str], *, suffix: str) -> SignIn:
    """Make the first admin, on the server's own command line as every office has to.

    Raises:
        TransientError: the command failed; the message holds what it said.
    """
    office = _sign_in(_OFFICE + suffix)
    process = await asyncio.create_subprocess_exec(
        console_script("billcoin-oracle"),
        *("accounts", "create", office.name, "--role", "admin", "--password-stdin", "--json"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=service_environment(variables),
    )
    try:
        _, error = await process.communicate(f"{office.password}\n".encode())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise TransientError(f"no office account could be made: {error.decode().strip()}")
    return office


async def make_accounts(oracle_url: str, office: SignIn, *, suffix: str) -> Accounts:
    """Let the office make the others over the API.

    Raises:
        RejectedError: the oracle refused.
        TransientError: the oracle cannot be reached.
    """
    till, finance, student = (_sign_in(name + suffix) for name in (_TILL, _FINANCE, _STUDENT))
    async with open_oracle(oracle_url, sign_in=office) as oracle:
        # The first signs the office in; the others need not wait for each other's passwords.
        api_key = await _make_partner(oracle, _PARTNER + suffix)
        await asyncio.gather(
            _make(oracle, till.name, _TILL, password=till.password, storeId=STORE),
            _make(oracle, finance.name, _FINANCE, password=finance.password),
            _make(oracle, student.name, _STUDENT, password=student.password),
        )
    return Accounts(office, till, finance, student, _PARTNER + suffix, api_key)


async def _make_partner(oracle: OracleClient, name: str) -> str:
    partner_id = await _make(oracle, name, _PARTNER)
    key = {"name": "devnet", "scopes": list(_SCOPES)}
    made = await oracle.post(f"/api/v1/accounts/{partner_id}/keys", key)
    return str(made["secret"])


async def _make(oracle: OracleClient, name: str, role: str, **more: Any) -> str:
    made = await oracle.post("/api/v1/accounts", {"name": name, "roles": [role], **more})
    return str(made["id"])


def _sign_in(name: str) -> SignIn:
    groups = (
        "".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS)
    )
    return SignIn(name, "-".join(groups))
