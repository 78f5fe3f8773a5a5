"""Puts proven blocks aside until all of a long branch is there, in memory that is bounded."""

import pickle
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile

from ledger.block import ProvenBlock
from ledger.errors import TransientError

MAX_MEMORY_BYTES = 16 * 2**20
"""Beyond this the blocks lie in a nameless temporary file, which ends with the process."""


class SpoolFullError(TransientError):
    """There is no room to put a long branch aside; nothing was retracted, and it is tried again."""


class BlockSpool:
    """Batches of proven blocks, written in order and read again in order."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=MAX_MEMORY_BYTES)  # noqa: SIM115 - see close
        self.count = 0

    def put(self, batch: Sequence[ProvenBlock]) -> None:
        """Put a batch behind the others.

        Raises:
            SpoolFullError: the temporary directory is full or cannot be written.
        """
        try:
            pickle.dump(list(batch), self._file)
        except OSError as error:
            raise SpoolFullError(
                f"a branch of more than {self.count} blocks has no room in the temporary "
                f"directory ({error}): free some, or name another by TMPDIR"
            ) from error
        self.count += len(batch)

    def batches(self) -> Iterator[list[ProvenBlock]]:
        """The batches as they were put."""
        self._file.seek(0)
        left = self.count
        while left:
            # Ours alone: no other process can name this file, let alone write it.
            batch: list[ProvenBlock] = pickle.load(self._file)  # noqa: S301
            left -= len(batch)
            yield batch

    def close(self) -> None:
        """Give memory and file back."""
        self._file.close()
