"""Access tokens: JWTs (RFC 7519, RFC 9068) that live 15 minutes."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey
from joserfc.jwt import JWTClaimsRegistry

from oracle_api.access.principal import Role
from oracle_api.access.token_keys import ALGORITHM, TokenKeys
from oracle_api.times import Clock

LIFETIME_SECONDS: Final = 15 * 60
LEEWAY_SECONDS: Final = 5
"""How far the clocks of two replicas may be apart."""

AUDIENCE: Final = "billcoin"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - a media type (RFC 9068), so that no other JWT passes
MAX_TOKEN_CHARACTERS: Final = 4096

# Whole seconds cannot tell a token of just before a change of password from one of just after.
_ISSUED_MILLISECONDS: Final = "iatMs"
_HEADER_NAMES: Final = frozenset({"alg", "kid", "typ"})


class TokenInvalidError(Exception):
    """No token of ours, or none any more; `is_expired` when that alone is what it lacks."""

    def __init__(self, *, is_expired: bool = False) -> None:
        super().__init__()
        self.is_expired = is_expired


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a good token says; times in Unix seconds."""

    account_id: str
    session_id: str
    issued_at: float
    expires_at: float


class AccessTokens:
    """Makes and checks tokens; the algorithm is ours to say, never the token's."""

    def __init__(self, keys: TokenKeys, *, issuer: str, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock

    def issue(self, account_id: str, session_id: str, roles: Collection[Role]) -> str:
        """A signed token; `roles` are for others that check it, we ask the account itself."""
        moment = self._clock()
        now = int(moment)
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": account_id,
            "sid": session_id,
            "jti": secrets.token_urlsafe(12),
            "roles": sorted(roles),
            _ISSUED_MILLISECONDS: int(moment * 1000),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
        }
        key = self._keys.signing
        header = {"alg": ALGORITHM, "kid": key.kid}
        return jwt.encode(header, claims, key, [ALGORITHM], default_type=TOKEN_TYPE)

    def verify(self, token: bytes) -> VerifiedToken:
        """What the token says.

        Raises:
            TokenInvalidError: it is not ours, not for us, or its time is not now.
        """
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenInvalidError
        try:
            read = jwt.decode(token, self._key_of, [ALGORITHM])
            self._registry().validate(read.claims)
        except ExpiredTokenError:
            raise TokenInvalidError(is_expired=True) from None
        except (JoseError, ValueError):
            raise TokenInvalidError from None
        session_id, issued_at = read.claims["sid"], read.claims[_ISSUED_MILLISECONDS]
        if not isinstance(session_id, str) or type(issued_at) is not int:
            raise TokenInvalidError
        return VerifiedToken(
            read.claims["sub"], session_id, issued_at / 1000, float(read.claims["exp"])
        )

    def _key_of(self, token: Any) -> ECKey:
        """Our key of that name; a key, or a place to find one, in the token itself is refused."""
        header = token.headers()
        if header.keys() != _HEADER_NAMES or header["typ"] != TOKEN_TYPE:
            raise TokenInvalidError
        try:
            return self._keys.by_id[header["kid"]]
        except (KeyError, TypeError):
            raise TokenInvalidError from None

    def _registry(self) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            int(self._clock()),
            LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            sid={"essential": True},
            iatMs={"essential": True},
            iat={"essential": True},
            nbf={"essential": True},
            exp={"essential": True},
        )
