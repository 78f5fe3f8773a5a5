"""Who takes nothing of what waits for it is cut off in time, and nobody else is."""

from dataclasses import dataclass, field

import pytest

from oracle_api.slow_readers import MIN_TAKEN_BYTES, STALL_SECONDS, SWEEP_SECONDS, SlowReaders

MEGABYTE = 1024 * 1024


@dataclass
class Transport:
    waiting_bytes: int
    is_closed: bool = False
    is_aborted: bool = False

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def is_closing(self) -> bool:
        return self.is_closed

    def abort(self) -> None:
        self.is_aborted = True


@dataclass(eq=False)
class Connection:
    """A client that takes so many bytes in each second."""

    takes: float
    transport: Transport = field(default_factory=lambda: Transport(MEGABYTE))
    is_write_paused: bool = True


def seconds_until_cut_off(connection: Connection, *, for_seconds: float = 600.0) -> float | None:
    readers, now = SlowReaders(), 0.0
    while now < for_seconds:
        readers.sweep([connection], now=now)
        if connection.transport.is_aborted:
            assert readers.cut_off_count == 1
            return now
        now += SWEEP_SECONDS
        left = connection.transport.waiting_bytes - int(connection.takes * SWEEP_SECONDS)
        connection.transport.waiting_bytes = max(left, 0)
    assert readers.cut_off_count == 0
    return None


@pytest.mark.parametrize("takes", [0, 1, MIN_TAKEN_BYTES / STALL_SECONDS / 2])
def test_whoever_takes_next_to_nothing_is_cut_off_in_time(takes: float) -> None:
    """A byte now and then buys no time."""
    assert seconds_until_cut_off(Connection(takes)) == STALL_SECONDS


@pytest.mark.parametrize("takes", [MIN_TAKEN_BYTES / STALL_SECONDS * 1.5, MEGABYTE])
def test_a_slow_network_is_given_the_time_it_needs(takes: float) -> None:
    assert seconds_until_cut_off(Connection(takes)) is None


def test_who_is_only_told_little_is_left_alone() -> None:
    """What waits is less than makes the server stop writing, and may be the newest event."""
    assert seconds_until_cut_off(Connection(0, Transport(1000), is_write_paused=False)) is None


def test_a_connection_that_was_closed_need_not_wait_for_its_client() -> None:
    closing = Connection(0, Transport(1000, is_closed=True), is_write_paused=False)
    assert seconds_until_cut_off(closing) == STALL_SECONDS
    gone = Connection(0, Transport(0, is_closed=True), is_write_paused=False)
    assert seconds_until_cut_off(gone) is None


def test_one_that_reads_again_has_all_its_time_anew() -> None:
    readers, connection = SlowReaders(), Connection(0)
    readers.sweep([connection], now=0.0)
    connection.is_write_paused = False
    readers.sweep([connection], now=STALL_SECONDS)
    connection.is_write_paused = True
    readers.sweep([connection], now=STALL_SECONDS + 1)
    readers.sweep([connection], now=2 * STALL_SECONDS)
    assert not connection.transport.is_aborted
    readers.sweep([connection], now=2 * STALL_SECONDS + 1)
    assert connection.transport.is_aborted


def test_who_has_gone_is_forgotten() -> None:
    readers = SlowReaders()
    readers.sweep([Connection(0)], now=0.0)
    readers.sweep([], now=1.0)
    assert not readers._held
