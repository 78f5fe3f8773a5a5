"""Access tokens: only ours, for us, now, with the algorithm that we chose."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from oracle_api.access.access_tokens import (
    AUDIENCE,
    LEEWAY_SECONDS,
    LIFETIME_SECONDS,
    MAX_TOKEN_CHARACTERS,
    TOKEN_TYPE,
    AccessTokens,
    TokenInvalidError,
)
from oracle_api.access.principal import Role
from oracle_api.access.token_keys import TokenKeys, make_key

NOW = 1_775_808_923
KEY = make_key()
KEYS = TokenKeys([KEY])


def tokens(now: float = NOW, keys: TokenKeys = KEYS, issuer: str = "oracle") -> AccessTokens:
    return AccessTokens(keys, issuer=issuer, clock=lambda: now)


def issued() -> str:
    return tokens().issue("acc_1", "ses_1", [Role.TILL])


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forged(key: Any = KEY, alg: str = "ES256", header: Any = None, **claims: Any) -> bytes:
    """A token of anybody's making: like ours, but for what is given."""
    head = {"alg": alg, "kid": KEY.kid, "typ": TOKEN_TYPE} | (header or {})
    body = {
        "iss": "oracle",
        "aud": AUDIENCE,
        "sub": "acc_1",
        "sid": "ses_1",
        "iatMs": NOW * 1000,
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + LIFETIME_SECONDS,
    } | claims
    body = {name: value for name, value in body.items() if value is not None}
    # By hand, since no library would put its name to some of these.
    signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body).encode())}"
    signature = jws.JWSRegistry.algorithms[alg].sign(signed.encode(), key)
    return f"{signed}.{b64(signature)}".encode()


def refused(token: bytes, *, now: float = NOW) -> TokenInvalidError:
    with pytest.raises(TokenInvalidError) as refusal:
        tokens(now).verify(token)
    return refusal.value


def test_our_own_token_is_good_and_lives_fifteen_minutes() -> None:
    verified = tokens().verify(issued().encode())
    assert (verified.account_id, verified.session_id) == ("acc_1", "ses_1")
    assert verified.expires_at - verified.issued_at == LIFETIME_SECONDS == 900
    assert tokens().verify(forged()).account_id == "acc_1"


def test_a_partner_s_library_can_check_it_with_the_published_keys() -> None:
    (public,) = KEYS.public_set()["keys"]
    assert "d" not in public
    read = jwt.decode(issued(), ECKey.import_key(public), ["ES256"])
    assert (read.header["kid"], read.claims["roles"]) == (public["kid"], ["till"])


def test_its_time_is_over_to_the_second_but_for_a_small_leeway() -> None:
    token, end = issued().encode(), NOW + LIFETIME_SECONDS + LEEWAY_SECONDS
    assert tokens(end - 1).verify(token)
    assert refused(token, now=end).is_expired
    assert tokens(NOW - LEEWAY_SECONDS).verify(token)
    assert not refused(token, now=NOW - LEEWAY_SECONDS - 1).is_expired


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "another oracle"},
        {"iss": None},
        {"aud": "another service"},
        {"aud": None},
        {"aud": []},
        {"sub": None},
        {"sub": 7},
        {"sid": None},
        {"sid": 7},
        {"exp": None},
        {"exp": "2030-01-01"},
        {"exp": True},
        {"exp": NOW - LEEWAY_SECONDS},
        {"nbf": NOW + LEEWAY_SECONDS + 1},
        {"nbf": None},
        {"iat": NOW + LEEWAY_SECONDS + 1},
        {"iat": None},
        {"iatMs": None},
        {"iatMs": "0"},
    ],
)
def test_a_claim_that_is_missing_or_wrong_is_no_token(claims: dict[str, Any]) -> None:
    refused(forged(**claims))


def test_without_a_signature_it_is_no_token() -> None:
    _, body, signature = issued().split(".")
    for algorithm in ("none", "None", "NONE", ""):
        head = b64(json.dumps({"alg": algorithm, "kid": KEY.kid, "typ": TOKEN_TYPE}).encode())
        for end in ("", signature):
            refused(f"{head}.{body}.{end}".encode())


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    """Algorithm confusion: HS256 with what everybody can read as the key."""
    public = KEYS.public_set()["keys"][0]
    pem = KEY.as_pem(private=False)
    for secret in (json.dumps(public).encode(), pem, pem.strip(), unb64(public["x"])):
        head = b64(json.dumps({"alg": "HS256", "kid": KEY.kid, "typ": TOKEN_TYPE}).encode())
        body = issued().split(".")[1]
        mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
        refused(f"{head}.{body}.{b64(mac)}".encode())


def test_another_s_key_does_not_sign_for_us() -> None:
    other = make_key()
    refused(forged(other))
    refused(forged(other, header={"kid": other.kid}))
    refused(forged(RSAKey.generate_key(2048), "RS256"))
    refused(forged(OctKey.generate_key(256), "HS256"))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"kid": ""},
        {"kid": None},
        {"kid": 7},
        {"typ": "JWT"},
        {"typ": "refresh+jwt"},
        {"jwk": make_key().as_dict(private=False)},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["AA=="]},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
    ],
)
def test_a_token_does_not_say_how_it_is_checked(header: dict[str, Any]) -> None:
    other = ECKey.generate_key("P-256")
    for key in (KEY, other):
        refused(forged(key, header=header))


def test_what_was_changed_on_the_way_is_no_token() -> None:
    head, body, signature = issued().split(".")
    claims = json.loads(unb64(body)) | {"sub": "acc_admin", "roles": ["admin"]}
    refused(f"{head}.{b64(json.dumps(claims).encode())}.{signature}".encode())
    refused(f"{head}.{body}.{signature[:-4]}AAAA".encode())
    refused(f"{head}.{body}.{'A' * 86}".encode())


@pytest.mark.parametrize(
    "token",
    [b"", b".", b"..", b"a.b.c", b"\xff.\xff.\xff", b"e30.e30.e30", b"x" * 5000, b"a.b.c.d.e"],
)
def test_nonsense_is_no_token(token: bytes) -> None:
    refused(token)


def test_a_token_has_an_end() -> None:
    refused(forged(padding="x" * MAX_TOKEN_CHARACTERS))


def test_keys_rotate_without_a_token_lost() -> None:
    new = make_key()
    before, during, after = TokenKeys([KEY]), TokenKeys([new, KEY]), TokenKeys([new])
    old_token = tokens(keys=before).issue("acc_1", "ses_1", []).encode()
    new_token = tokens(keys=during).issue("acc_1", "ses_1", []).encode()
    assert tokens(keys=during).verify(old_token)
    assert tokens(keys=after).verify(new_token)
    with pytest.raises(TokenInvalidError):
        tokens(keys=after).verify(old_token)
    # Every replica has to know a key before one signs with it.
    with pytest.raises(TokenInvalidError):
        tokens(keys=before).verify(new_token)
