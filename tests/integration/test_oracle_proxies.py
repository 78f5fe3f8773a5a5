"""Nobody chooses the address that their budget hangs on, but a proxy that the operator named."""

import pytest
from access_support import Guarded, guarded_oracle
from oracle_support import Ledger

LIMIT = 3


async def asked_from(guarded: Guarded, *forwarded: str) -> list[int]:
    """What an anonymous caller is answered that names these addresses, one after the other."""
    return [
        (await guarded.client.call("GET", "/api/v1/catalogue", headers={"X-Forwarded-For": one}))[0]
        for one in forwarded
    ]


async def test_an_address_that_a_caller_makes_up_is_ignored(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's library would believe whatever comes from loopback, or from this variable."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    async with guarded_oracle(ledger, anonymous_requests_per_minute=LIMIT) as guarded:
        made_up = [f"203.0.113.{number}" for number in range(LIMIT + 2)]
        assert await asked_from(guarded, *made_up) == [200] * LIMIT + [429, 429]
        # Nor does it help to sign in wrongly under ever new addresses.
        bad = {"Authorization": "Bearer nonsense"}
        answered = [
            (
                await guarded.client.call(
                    "GET", "/api/v1/orders", headers=bad | {"X-Forwarded-For": one}
                )
            )[0]
            for one in made_up
        ]
        assert answered == [401] * LIMIT + [429, 429]


async def test_a_proxy_that_is_trusted_says_who_asks(ledger: Ledger) -> None:
    settings = {"anonymous_requests_per_minute": LIMIT, "trusted_proxies": "127.0.0.0/8,10.1.0.9"}
    async with guarded_oracle(ledger, **settings) as guarded:
        for one in ("203.0.113.1", "203.0.113.2"):
            assert await asked_from(guarded, *[one] * (LIMIT + 1)) == [200] * LIMIT + [429]
        # Proxies append: what stands further left is the client's own claim.
        claims = [f"198.51.100.{number}, 203.0.113.1, 10.1.0.9" for number in range(3)]
        assert await asked_from(guarded, *claims) == [429] * 3
        # What is no address shares one budget, however it is spelled.
        strange = [f"nowhere-{number}" for number in range(LIMIT + 1)]
        assert await asked_from(guarded, *strange) == [200] * LIMIT + [429]
