"""Where an audit's work is done: processes of this machine, or a Dask cluster."""

import contextlib
import importlib
from collections.abc import Iterator
from concurrent.futures import Executor

from indexer.backfill import process_pool
from ledger.errors import RejectedError


@contextlib.contextmanager
def executor_for(
    scheduler: str | None, *, workers: int, patience_seconds: float = 10.0
) -> Iterator[tuple[Executor, int]]:
    """An executor and how many workers it has; `scheduler` is a cluster's `tcp://host:port`.

    Raises:
        RejectedError: `cluster_missing` or `cluster_unreachable`.
    """
    if scheduler is None:
        with process_pool(workers) as pool:
            yield pool, workers
        return
    try:
        distributed = importlib.import_module("distributed")  # an optional extra
    except ImportError as error:
        raise RejectedError(
            "cluster_missing", "--scheduler needs the extra: pip install 'billcoin-pay[cluster]'"
        ) from error
    try:
        client = distributed.Client(scheduler, timeout=patience_seconds, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise RejectedError("cluster_unreachable", f"no scheduler at {scheduler}") from error
    with client:
        count = len(client.scheduler_info(n_workers=-1)["workers"])
        if count == 0:
            raise RejectedError("cluster_unreachable", f"{scheduler} has no workers yet")
        yield client.get_executor(), count
