"""The till's files, read once from the package: what is not in this table cannot be served."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

_MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
PAGE: Final = "index.html"
ASSETS_FOLDER: Final = "assets"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it goes over the wire; `etag` is of its content, so all replicas agree."""

    content: bytes
    media_type: str
    etag: str


@cache
def read_page() -> Asset:
    """The page itself."""
    return _read_asset(files(__package__) / "static" / PAGE)


@cache
def read_assets() -> Mapping[str, Asset]:
    """Everything below `/till/assets/` by its path, as in `strings/en.js`."""
    folder = files(__package__) / "static" / ASSETS_FOLDER
    return MappingProxyType({path: _read_asset(file) for path, file in _walk(folder, "")})


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        path = prefix + entry.name
        if entry.is_dir():
            yield from _walk(entry, path + "/")
        elif PurePosixPath(path).suffix in _MEDIA_TYPES:
            yield path, entry


def _read_asset(file: Traversable) -> Asset:
    content = file.read_bytes()
    media_type = _MEDIA_TYPES[PurePosixPath(file.name).suffix]
    return Asset(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
