"""What a capability may hand over to the jobs process: a handler, a schedule or a service."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from oracle_api.database import Database
from oracle_api.settings import Settings
from oracle_api.times import Clock

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobContext:
    """What all work is given; `clock` gives Unix seconds."""

    settings: Settings
    database: Database
    clock: Clock


@dataclass(frozen=True, slots=True)
class Handler:
    """Does the jobs of one name, each with the payload that it was enqueued with.

    A job is done at least once: `work` must cope with a second time, after a crash as after a
    database that vanished between the work and the note that it is done. One that fails is tried
    again, later and later; after `max_attempts` it is held for a person to look at.
    `concurrency_limit` is over all processes; 0 is none.
    """

    name: str
    work: Callable[[JobContext, Payload], Awaitable[None]]
    max_attempts: int = 10
    timeout_seconds: float = 60.0
    concurrency_limit: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Does something by the clock, in one of the processes at a time.

    `cron` has five fields, or a sixth at the end for seconds; UTC. A failure is logged and counted,
    and the next time comes as planned.
    """

    name: str
    cron: str
    work: Callable[[JobContext], Awaitable[None]]
    timeout_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Service:
    """Runs for ever in every process; begun anew when it fails, cancelled at the end."""

    name: str
    run: Callable[[JobContext], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Work:
    """All that the jobs process does."""

    handlers: tuple[Handler, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    services: tuple[Service, ...] = ()
