"""A real PostgreSQL from a Python package, started on a loopback port and stopped for certain."""

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devnet.home import write_private
from devnet.ports import LOOPBACK, free_port
from devnet.postgres_account import (
    postgres_account,
    readable_installation,
    require_reachable,
    temporary_home,
)
from devnet.process import Account, Ending, LeashedProcess, ProcessDiedError
from ledger.errors import LedgerError, RejectedError, TransientError

USER = "billcoin"
MAINTENANCE_DATABASE = "postgres"

_START_TIMEOUT_SECONDS = 60.0
# What a server takes to shut down whose owner was killed.
_PREDECESSOR_TIMEOUT_SECONDS = 15.0
_POLL_SECONDS = 0.01
_PORT_ATTEMPTS = 5
_READY_LINE = 7

# No Unix socket: clients use TCP as they will in production, and no file is left in a shared
# folder. mmap, not posix shared memory: what a killed server leaves lies in its own folder.
# Synchronous reads: a small machine would only switch between I/O workers.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_connections": "200",
    "io_method": "sync",
    "jit": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# The same order of texts on every system, whatever locales it has.
_LOCALE = "--encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
# A server that is thrown away has no crash to survive.
_VOLATILE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class PostgresServer:
    """A running server; its superuser owns all databases on it."""

    port: int
    password: str
    process: LeashedProcess

    def url(self, database: str = MAINTENANCE_DATABASE) -> str:
        """What `DATABASE_URL` is for this database."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"


@dataclass(frozen=True)
class _Cluster:
    """Where a server's files lie; `home` holds the data, the password and perhaps the programs."""

    home: Path
    log_path: Path
    account: Account | None
    temporary: bool

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def password_path(self) -> Path:
        return self.home / "password"

    @property
    def password(self) -> str:
        return self.password_path.read_text()


class _PortTakenError(LedgerError):
    """Another process was faster at binding the port that we chose."""


def _open_cluster(home: Path | None, log_path: Path | None) -> _Cluster:
    """Make the folder that the server's account owns; a new password unless it has one."""
    account = postgres_account()
    temporary = home is None
    home = temporary_home() if home is None else home.resolve()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = _Cluster(home, log_path or home / "log", account, temporary)
    if not cluster.password_path.exists():
        write_private(cluster.password_path, secrets.token_urlsafe(24))
    if account is not None:
        require_reachable(home, account)
        os.chown(home, account.uid, account.gid)
        os.chown(cluster.password_path, account.uid, account.gid)
    return cluster


def _script(programs: Path, cluster: _Cluster, port: int, *, durable: bool) -> str:
    """The shell text that makes the cluster when there is none and then becomes the server.

    One process from start to end, so that the leash holds initdb too: a cluster is moved to its
    place only when it is whole.
    """
    data, partial = shlex.quote(str(cluster.data)), shlex.quote(str(cluster.data) + ".partial")
    password = shlex.quote(str(cluster.password_path))
    settings = _SETTINGS | ({} if durable else _VOLATILE_SETTINGS)
    chosen = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
    initdb, postgres = (shlex.quote(str(programs / name)) for name in ("initdb", "postgres"))
    return (
        f"if [ ! -d {data} ]; then rm -rf {partial}; {initdb} -D {partial} -U {USER} "
        f"--pwfile={password} --auth=scram-sha-256 --no-sync --no-instructions {_LOCALE} "
        f"&& mv {partial} {data} || exit 1; fi; "
        f"exec {postgres} -D {data} -p {port} {chosen}"
    )


def _process_is_postgres(pid: int) -> bool:
    """Whether this process is a PostgreSQL; where the system cannot tell, any process may be."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if not Path("/proc/self/comm").exists():
        return True
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _clear_stale_lock(cluster: _Cluster) -> None:
    """Wait for a server whose owner was killed; drop a lock file whose process is something else.

    PostgreSQL itself takes any live process of the same account for the lock's owner, so a
    process id that was given out again would block the start for ever.

    Raises:
        RejectedError: `postgres_running` when another server really uses the folder.
    """
    lock = cluster.data / "postmaster.pid"
    deadline = time.monotonic() + _PREDECESSOR_TIMEOUT_SECONDS
    while lock.exists():
        try:
            pid = int(lock.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        if not _process_is_postgres(pid):
            lock.unlink(missing_ok=True)
            return
        if time.monotonic() > deadline:
            raise RejectedError(
                "postgres_running", f"a server (process {pid}) already uses {cluster.home}"
            )
        time.sleep(_POLL_SECONDS)


def _wait_until_ready(process: LeashedProcess, cluster: _Cluster) -> None:
    """Wait until our own server says `ready` in its lock file; a foreign one cannot fool this."""
    lock = cluster.data / "postmaster.pid"
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        with contextlib.suppress(OSError):
            lines = lock.read_text().splitlines()
            if len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready":
                return
        process.require_running()
        if time.monotonic() > deadline:
            raise TransientError(f"PostgreSQL was not ready in time; see {cluster.log_path}")
        time.sleep(_POLL_SECONDS)


def _start(cluster: _Cluster, port: int, *, durable: bool) -> PostgresServer:
    try:
        programs = readable_installation(cluster.account, cluster.home) / "bin"
    except BaseException:
        # From here on the leash deletes the folder; up to here nobody else would.
        if cluster.temporary:
            shutil.rmtree(cluster.home, ignore_errors=True)
        raise
    process = LeashedProcess(
        "PostgreSQL",
        ["/bin/sh", "-c", _script(programs, cluster, port, durable=durable)],
        log_path=cluster.log_path,
        working_directory=Path("/"),
        account=cluster.account,
        ending=Ending(
            # The "fast" shutdown: sessions are cut off, data is safe.
            signal.SIGINT,
            grace_seconds=10.0,
            remove=(cluster.home,) if cluster.temporary else (),
        ),
    )
    try:
        _wait_until_ready(process, cluster)
    except ProcessDiedError as error:
        taken = any("Address already in use" in line for line in process.last_lines())
        process.stop()
        if taken:
            raise _PortTakenError(str(error)) from error
        raise
    except BaseException:
        process.stop()
        raise
    return PostgresServer(port, cluster.password, process)


def start_postgres(
    *,
    home: Path | None = None,
    port: int | None = None,
    durable: bool = False,
    log_path: Path | None = None,
) -> PostgresServer:
    """Start a server; `server.process.stop()` ends it, and so does the end of this process.

    Args:
        home: The folder that the data stays in; by default one that goes away with the server.
        port: By default a free one.
        durable: True waits for the disk at each commit, as production does; figures want that.
        log_path: Where the server's output goes; a file in `home` by default.

    Raises:
        RejectedError: The folder cannot be used, or the port is taken.
    """
    for _ in range(1 if port is not None else _PORT_ATTEMPTS):
        cluster = _open_cluster(home, log_path)
        _clear_stale_lock(cluster)
        with contextlib.suppress(_PortTakenError):
            return _start(cluster, port or free_port(), durable=durable)
    raise RejectedError(
        "postgres_port_taken", f"port {port or 'that was free a moment ago'} is taken by another"
    )


@contextlib.contextmanager
def postgres_server(
    *,
    home: Path | None = None,
    port: int | None = None,
    durable: bool = False,
    log_path: Path | None = None,
) -> Iterator[PostgresServer]:
    """Run a server for the length of the block; see `start_postgres`."""
    server = start_postgres(home=home, port=port, durable=durable, log_path=log_path)
    try:
        yield server
    finally:
        server.process.stop()
