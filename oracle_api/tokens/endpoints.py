"""`/api/v1/tokens`: sign in, renew, sign out; and the keys that tokens are checked with."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, StringConstraints

from ledger.errors import RejectedError
from oracle_api.access.access_tokens import LIFETIME_SECONDS
from oracle_api.access.gate import ACCESS_COOKIE, read_cookie
from oracle_api.access.passwords import MAX_CHARACTERS
from oracle_api.access.settings import is_loopback
from oracle_api.access.token_keys import TokenKeys
from oracle_api.budgets.policy import spender_of
from oracle_api.forms import StrictRequest
from oracle_api.responses import json_of
from oracle_api.tokens.documentation import GRANT, JWKS, REVOKE
from oracle_api.tokens.service import Granted, TokenService, Visit
from oracle_api.visitor import host_name

PATH: Final = "/api/v1/tokens"
JWKS_PATH: Final = "/.well-known/jwks.json"
JWKS_CACHE_SECONDS: Final = 300

REFRESH_COOKIE: Final = "billcoin_refresh"
_ACCESS_COOKIE_PATH: Final = "/api/v1"

_Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class GrantRequest(StrictRequest):
    """A sign-in or a renewal, with the names of OAuth 2.0 (RFC 6749)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"grant_type": "password", "username": "ada", "password": "correct horse battery"},
                {"grant_type": "refresh_token", "refresh_token": "wV0nJQXkq8b1m4yN6s2d9f3h5j7"},
            ],
            "oneOf": [
                {
                    "required": ["username", "password"],
                    "properties": {
                        "grant_type": {"const": "password"},
                        "username": {"type": "string"},
                        "password": {"type": "string"},
                    },
                },
                {
                    "required": ["refresh_token"],
                    "properties": {
                        "grant_type": {"const": "refresh_token"},
                        "refresh_token": {"type": "string"},
                    },
                },
                {
                    "required": ["session"],
                    "properties": {
                        "grant_type": {"const": "refresh_token"},
                        "refresh_token": {"type": "null"},
                        "session": {"const": "cookie"},
                    },
                },
            ],
        },
    )

    grant_type: Literal["password", "refresh_token"]
    username: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    password: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)] | None = None
    refresh_token: _Token | None = None
    session: Literal["cookie"] | None = None


class RevokeRequest(StrictRequest):
    """A sign-out; without a token, of the session in the cookie."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"refresh_token": "wV0nJQXkq8b1m4yN6s2d9f3h5j7"}]},
    )

    refresh_token: _Token | None = None


def tokens_router(service: TokenService, keys: TokenKeys) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["access"])
    routes = TokenRoutes(service, keys)
    router.add_api_route(PATH, routes.grant, methods=["POST"], **GRANT)
    router.add_api_route(f"{PATH}/revoke", routes.revoke, methods=["POST"], **REVOKE)
    router.add_api_route(JWKS_PATH, routes.jwks, methods=["GET"], **JWKS)
    return router


class TokenRoutes:
    """A page asks for its session in cookies that its scripts cannot read."""

    def __init__(self, service: TokenService, keys: TokenKeys) -> None:
        self._service = service
        self._public_set = keys.public_set()

    async def grant(self, request: Request, body: GrantRequest) -> Response:
        """Sign in with a password, or renew with a refresh token."""
        is_cookie = body.session == "cookie"
        granted = await self._granted(request, body)
        document: dict[str, Any] = {
            "access_token": granted.access_token,
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
        }
        if not is_cookie:
            document["refresh_token"] = granted.refresh_token
        response = json_of(document)
        if is_cookie:
            for cookie in _cookies(request, granted):
                response.headers.append("set-cookie", cookie)
        return response

    async def revoke(self, request: Request, body: RevokeRequest | None = None) -> Response:
        """End a session."""
        token = body.refresh_token if body is not None else None
        token = token or _refresh_cookie(request)
        if token is not None:
            await self._service.revoke(token)
        response = Response(status_code=204, headers={"cache-control": "no-store"})
        for cookie in _expired_cookies(request):
            response.headers.append("set-cookie", cookie)
        return response

    async def jwks(self) -> Response:
        """The public keys of access tokens."""
        headers = {"cache-control": f"public, max-age={JWKS_CACHE_SECONDS}"}
        return json_of(self._public_set, headers=headers)

    async def _granted(self, request: Request, body: GrantRequest) -> Granted:
        visit = Visit(spender_of(request.state.principal), request.state.request_id)
        if body.grant_type == "password":
            name, password = _needed(body.username, "username"), _needed(body.password, "password")
            return await self._service.sign_in(name, password, address=visit.address)
        token = body.refresh_token
        if token is None and body.session == "cookie":
            token = _refresh_cookie(request) or ""
        return await self._service.refresh(_needed(token, "refresh_token"), visit=visit)


def _needed(value: str | None, name: str) -> str:
    if value is None:
        raise RejectedError("field_missing", f"{name} is missing", param=name)
    return value


def _refresh_cookie(request: Request) -> str | None:
    for name, value in request.headers.raw:
        if name == b"cookie" and (found := read_cookie(value, REFRESH_COOKIE)) is not None:
            return found.decode("latin-1")
    return None


def _cookies(request: Request, granted: Granted) -> list[str]:
    """The refresh token for this route alone, and the access token for what a page loads."""
    return [
        _cookie(request, REFRESH_COOKIE, granted.refresh_token, PATH, granted.session_seconds),
        _cookie(
            request, ACCESS_COOKIE, granted.access_token, _ACCESS_COOKIE_PATH, LIFETIME_SECONDS
        ),
    ]


def _expired_cookies(request: Request) -> list[str]:
    return [
        _cookie(request, REFRESH_COOKIE, "", PATH, 0),
        _cookie(request, ACCESS_COOKIE, "", _ACCESS_COOKIE_PATH, 0),
    ]


def _cookie(request: Request, name: str, value: str, path: str, max_age_seconds: int) -> str:
    """A cookie that no script reads and no other site sends.

    Only on this very machine may it travel without TLS.
    """
    host = host_name(request.headers.get("host", "").encode("latin-1"))
    secure = "" if is_loopback(host) else "; Secure"
    attributes = f"Path={path}; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict"
    return f"{name}={value}; {attributes}{secure}"
