"""The binary format of COPY, free of the driver: fields, rows, and what stands around them."""

import struct

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
JSONB_VERSION = b"\x01"
"""Before the text of each `jsonb` value, in rows and in parameters alike."""


def field(value: bytes) -> bytes:
    """A field of any length, in the server's binary form of its type."""
    return struct.pack(">i", len(value)) + value


def copy_document(rows: bytes) -> bytes:
    """Rows, each with the number of its fields before it, as COPY takes them."""
    return COPY_HEADER + rows + COPY_TRAILER
