"""Waits to become the leader, then follows the chain for as long as it is."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import aiohttp
import asyncpg
import structlog

from indexer import metrics
from indexer.deployment_check import check_deployment_on_chain, find_anchor
from indexer.follow import Follower
from indexer.heads import Heads, HeadWatch
from indexer.node import Node
from indexer.payment_proofs import keep_proofs_forever
from indexer.reconcile import reconcile_forever
from indexer.rpc import RpcClient, retrying
from indexer.self_test import choose_verification
from indexer.settings import IndexerSettings, NodeUrls
from indexer.socket_rpc import SocketRpc
from indexer.source import Source, source_name
from indexer.sources import Sources
from ledger.errors import CorruptError
from ledger.store.contract_events import find_unfollowed, follow_contracts
from ledger.store.cursor import Cursor, check_deployment, read_registered_cursor, register
from ledger.store.leadership import connect_to_lead, show_life, try_lead
from ledger.store.observation import read_observation, record_halt
from ledger.store.pool import DATABASE_AWAY, Connection

log = structlog.get_logger(__name__)

_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_STANDBY_POLL_SECONDS = 0.5
_DATABASE_RETRY_SECONDS = 1.0


class HaltedError(CorruptError):
    """The indexer halted earlier, with `earlier_code`, and nobody has resolved it."""

    def __init__(self, message: str, *, earlier_code: str) -> None:
        super().__init__(message)
        self.earlier_code = earlier_code


async def lead_forever(settings: IndexerSettings) -> None:
    """Lead or stand by until cancelled; a database that goes away is waited for.

    Raises:
        CorruptError: what only a person can resolve; it is noted in the ledger.
    """
    if settings.indexer_metrics_port is not None:
        metrics.serve_metrics(settings.indexer_metrics_host, settings.indexer_metrics_port)
    _collect_seldom()
    metrics.NODES_REQUIRED.set(settings.required)
    async with open_sources(settings) as sources:
        async for attempt in retrying(attempts=30):
            with attempt:
                await choose_verification(sources)
                await check_deployment_on_chain(sources, settings.deployment, settings.events)
        while True:
            try:
                await _lead_once(settings, sources)
            except DATABASE_AWAY as error:
                _tell_away(error)
                await asyncio.sleep(_DATABASE_RETRY_SECONDS)


def _collect_seldom() -> None:
    """Keep the garbage collector from looking for cycles in the middle of a block.

    A block of thousands of payments makes hundreds of thousands of objects that go by themselves;
    by default they would be gone through many times, which takes a quarter of the work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


@contextlib.asynccontextmanager
async def open_sources(settings: IndexerSettings) -> AsyncIterator[Sources]:
    """The configured nodes, for the length of the block."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=64, keepalive_timeout=60)
    ) as session:
        nodes = [_node(session, urls, settings) for urls in settings.nodes]
        sources = [
            Source(node, name=source_name(urls.http))
            for node, urls in zip(nodes, settings.nodes, strict=True)
        ]
        try:
            yield Sources(sources, required=settings.required)
        finally:
            for node in nodes:
                if node.socket is not None:
                    await node.socket.close()


def _node(session: aiohttp.ClientSession, urls: NodeUrls, settings: IndexerSettings) -> Node:
    seconds = settings.request_timeout_seconds
    socket_url = urls.http if urls.is_socket_only else urls.ws
    socket = SocketRpc(session, socket_url, timeout_seconds=seconds) if socket_url else None
    if urls.is_socket_only and socket is not None:
        return Node(socket, token=settings.token_address, socket=socket, events=settings.events)
    rpc = RpcClient(session, urls.http, timeout_seconds=seconds)
    return Node(rpc, token=settings.token_address, socket=socket, events=settings.events)


async def _lead_once(settings: IndexerSettings, sources: Sources) -> None:
    connection = await connect_to_lead(settings.database_url, application_name="billcoin-indexer")
    try:
        await _wait_to_lead(connection, settings.chain_id)
        metrics.LEADING.set(1)
        await _while_alive(connection, _lead(connection, sources, settings))
    finally:
        metrics.LEADING.set(0)
        # Closing politely could wait for a server that is gone.
        connection.terminate()


async def _lead(connection: Connection, sources: Sources, settings: IndexerSettings) -> None:
    cursor = await _start(connection, sources, settings)
    await _refuse_if_halted(connection, settings.chain_id)
    try:
        await _follow(connection, sources, cursor, settings)
    except CorruptError as error:
        metrics.HALTED.set(1)
        await record_halt(
            connection, settings.chain_id, code=type(error).__name__, reason=str(error)
        )
        raise


async def _while_alive(connection: Connection, work: Coroutine[Any, Any, None]) -> None:
    """Work for as long as the session lives; the server ends one that is silent."""
    try:
        async with asyncio.TaskGroup() as tasks:
            life = tasks.create_task(show_life(connection))
            try:
                await work
            finally:
                life.cancel()
    except BaseExceptionGroup as group:
        raise _first_of(group) from group


async def _wait_to_lead(connection: Connection, chain_id: int) -> None:
    is_told = False
    while not await try_lead(connection, chain_id):
        if not is_told:
            log.info("standing_by")
            is_told = True
        await asyncio.sleep(_STANDBY_POLL_SECONDS)
    log.info("leading")


async def _start(connection: Connection, sources: Sources, settings: IndexerSettings) -> Cursor:
    if not await check_deployment(connection, settings.deployment):
        async for attempt in retrying(attempts=30):
            with attempt:
                anchor = await find_anchor(
                    sources, settings.token_address, start_block=settings.start_block
                )
        async with connection.transaction():
            await register(connection, settings.deployment, anchor=anchor)
        log.info("registered", start=anchor.number + 1)
    await follow_configured(connection, settings)
    return await read_registered_cursor(connection, settings.chain_id)


async def follow_configured(connection: Connection, settings: IndexerSettings) -> None:
    """Follow the contracts that the settings name, new ones from the next block on.

    Raises:
        FollowedContractsError: the ledger follows one that the settings do not name.
    """
    chain_id, addresses = settings.chain_id, settings.events.addresses
    new = await find_unfollowed(connection, chain_id, addresses)
    if new:
        async with connection.transaction():
            await follow_contracts(connection, chain_id, {name: addresses[name] for name in new})
        log.info("contracts_followed", contracts=new)


async def _refuse_if_halted(connection: Connection, chain_id: int) -> None:
    observation = await read_observation(connection, chain_id)
    if observation is not None and observation.halt_code is not None:
        raise HaltedError(
            f"halted before with {observation.halt_code}: {observation.halt_reason}. "
            "Resolve it, then run `billcoin-indexer resume`",
            earlier_code=observation.halt_code,
        )


async def _follow(
    connection: Connection, sources: Sources, cursor: Cursor, settings: IndexerSettings
) -> None:
    heads = Heads()
    follower = Follower(
        connection,
        sources,
        heads,
        cursor,
        chain_id=settings.chain_id,
        block_time_seconds=settings.block_time_seconds,
        catch_up_concurrency=settings.catch_up_concurrency,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            for source in sources.all:
                watch = HeadWatch(source, heads, block_time_seconds=settings.block_time_seconds)
                tasks.create_task(watch.run())
            tasks.create_task(follower.run())
            tasks.create_task(
                keep_proofs_forever(
                    settings.database_url,
                    sources,
                    chain_id=settings.chain_id,
                    token=settings.token_address,
                )
            )
            tasks.create_task(
                reconcile_forever(
                    settings.database_url,
                    sources,
                    chain_id=settings.chain_id,
                    token=settings.token_address,
                    interval_seconds=settings.reconcile_seconds,
                )
            )
    except BaseExceptionGroup as group:
        raise _first_of(group) from group


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a task group; the others only followed from it."""
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _tell_away(error: BaseException) -> None:
    if isinstance(error, asyncpg.DiskFullError):
        log.error(
            "disk_full",
            error=str(error),
            advice="free space on the database's disk; nothing was written, and the indexer "
            "goes on by itself",
        )
    else:
        log.warning("database_away", error=repr(error))
