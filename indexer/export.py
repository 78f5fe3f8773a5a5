"""Writes the ledger into files for auditors: one snapshot, one page of rows in memory."""

import csv
import hashlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.store.cursor import require_cursor
from ledger.store.export import EXPORT_TABLES, ExportTable, read_pages
from ledger.store.pool import Connection

FORMAT = "billcoin-export/1"
PAGE_ROWS = 10_000
_HASH_CHUNK_BYTES = 1 << 20

# The full-width forms are what some spreadsheets turn into the plain ones.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

Write = Callable[[Sequence[tuple[Any, ...]]], None]


async def export_ledger(
    connection: Connection,
    *,
    chain_id: int,
    names: Sequence[str],
    kind: str,
    folder: Path,
    progress: Callable[[str, int], None],
) -> dict[str, Any]:
    """Write the named tables as `kind` files into a folder that is there.

    `export.json` beside them says what they are of.

    A file has its name only when it is whole. `progress` is told the table and rows so far.

    Raises:
        RejectedError: `ledger_empty`, or `parquet_missing`: the optional extra is not installed.
    """
    writer = {"csv": _csv_file, "parquet": _parquet_file}[kind]
    files: dict[str, Any] = {}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        cursor = await require_cursor(connection, chain_id)
        for name in names:
            path, count = folder / f"{name}.{kind}", 0
            table = EXPORT_TABLES[name]
            with _replacing(path) as partial, writer(partial, table) as write:
                async for rows in read_pages(connection, table, chain_id, page_rows=PAGE_ROWS):
                    write(rows)
                    count += len(rows)
                    progress(name, count)
            files[path.name] = {"rows": count, "sha256": _sha256(path)}
    manifest = {
        "format": FORMAT,
        "chainId": chain_id,
        "tipNumber": cursor.tip.number,
        "tipHash": to_hex(cursor.tip.hash),
        "finalizedNumber": cursor.finalized.number,
        "files": files,
    }
    (folder / "export.json").write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return manifest


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _csv_file(path: Path, table: ExportTable) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)

        def write(rows: Sequence[tuple[Any, ...]]) -> None:
            writer.writerows([harmless(cell) for cell in row] for row in rows)

        yield write


def harmless(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula, which whoever wrote it could make do harm.

    An apostrophe goes before what would begin one, as OWASP advises on CSV injection. Only what a
    person wrote can begin so; the numbers here are never negative.
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


@contextmanager
def _parquet_file(path: Path, table: ExportTable) -> Iterator[Write]:
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise RejectedError(
            "parquet_missing", "Parquet needs the extra: pip install 'billcoin-pay[export]'"
        ) from error
    schema = arrow.schema(
        [
            (name, arrow.int64() if name in table.numbers else arrow.string())
            for name in table.columns
        ]
    )
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:

        def write(rows: Sequence[tuple[Any, ...]]) -> None:
            columns = [
                arrow.array(column, field.type)
                for column, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_batch(arrow.record_batch(columns, schema=schema))

        yield write


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
