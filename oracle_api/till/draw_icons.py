"""Draws the till's PNG icons: `python -m oracle_api.till.draw_icons FOLDER`.

The same carton as `icon.svg`, on a full square since launchers cut their own shape out of it.
"""

import itertools
import struct
import sys
import zlib
from pathlib import Path
from typing import Final

SIZES_PIXELS: Final = (192, 512)

# The drawing's own square, as in the SVG's viewBox.
_SPAN: Final = 512.0
_SAMPLES_A_SIDE: Final = 3
_GROUND: Final = (0x0B, 0x5D, 0x6E)
_MILK: Final = (0xFF, 0xFF, 0xFF)
_DROP_CENTRE: Final = (256.0, 352.0)
_DROP_RADIUS: Final = 46.0
_DROP_TOP: Final = 268.0


def draw_png(size_pixels: int) -> bytes:
    """The icon as a PNG of that many pixels a side."""
    lines = [b"\0" + _line(row, size_pixels) for row in range(size_pixels)]
    head = struct.pack(">IIBBBBB", size_pixels, size_pixels, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", head),
            (b"IDAT", zlib.compress(b"".join(lines), 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _line(row: int, size_pixels: int) -> bytes:
    pixels = bytearray()
    for column in range(size_pixels):
        share = _milk_share(column, row, _SPAN / size_pixels)
        pixels += bytes(
            round(ground + (milk - ground) * share)
            for ground, milk in zip(_GROUND, _MILK, strict=True)
        )
    return bytes(pixels)


def _milk_share(column: int, row: int, scale: float) -> float:
    """How much of a pixel is white, by a few points in it: that makes smooth edges."""
    offsets = [(step + 0.5) / _SAMPLES_A_SIDE for step in range(_SAMPLES_A_SIDE)]
    points = [((column + x) * scale, (row + y) * scale) for y in offsets for x in offsets]
    return sum(_is_milk(x, y) for x, y in points) / len(points)


def _is_milk(x: float, y: float) -> bool:
    half_width = _carton_half_width(y)
    is_fold = 218 <= y < 240  # noqa: PLR2004 - the drawing's own measures, as in icon.svg
    return abs(x - _SPAN / 2) < half_width and not is_fold and not _is_drop(x, y)


def _carton_half_width(y: float) -> float:
    """Half the carton's width at a height: the top, the slanted shoulders, the body."""
    outline = ((96.0, 60.0), (140.0, 60.0), (218.0, 112.0), (396.0, 112.0), (416.0, 96.0))
    for (top, upper), (bottom, lower) in itertools.pairwise(outline):
        if top <= y < bottom:
            return upper + (lower - upper) * (y - top) / (bottom - top)
    return 0.0


def _is_drop(x: float, y: float) -> bool:
    centre_x, centre_y = _DROP_CENTRE
    if (x - centre_x) ** 2 + (y - centre_y) ** 2 < _DROP_RADIUS**2:
        return True
    share = (y - _DROP_TOP) / (centre_y - _DROP_TOP)
    return 0 < share < 1 and abs(x - centre_x) < _DROP_RADIUS * share


def main(folder: Path) -> None:
    """Write every size into `folder`."""
    for size_pixels in SIZES_PIXELS:
        (folder / f"icon-{size_pixels}.png").write_bytes(draw_png(size_pixels))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
