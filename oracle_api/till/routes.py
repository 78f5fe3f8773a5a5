"""`/till` and its assets, with headers that let the page do only what it needs."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from oracle_api.till.assets import Asset, read_assets, read_page

CONTENT_SECURITY_POLICY: Final = "; ".join(
    f"{directive} {sources}"
    for directive, sources in {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }.items()
)

_PERMISSIONS: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

SECURITY_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": _PERMISSIONS,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)

router = APIRouter(include_in_schema=False)


@router.get("/till")
@router.get("/till/")
async def till_page(request: Request) -> Response:
    """The till."""
    return _reply(request, read_page())


@router.get("/till/assets/{path:path}")
async def till_asset(request: Request, path: str) -> Response:
    """One of the page's files; the path is looked up, never opened."""
    asset = read_assets().get(path)
    if asset is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, headers=dict(SECURITY_HEADERS))
    return _reply(request, asset)


def _reply(request: Request, asset: Asset) -> Response:
    """The asset, or 304 when the browser has it: it always asks, and so never mixes versions."""
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-cache", "ETag": asset.etag}
    if asset.etag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _tags(header: str) -> set[str]:
    """The entity tags of an If-None-Match header; a proxy that compresses makes them weak."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}
