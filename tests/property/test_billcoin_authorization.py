"""A random authorisation moves BILL exactly when every one of its conditions holds."""

from dataclasses import dataclass
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import billcoin, rehearsal
from contracts.billcoin import Authorization
from contracts.rehearsal import account_address, contract_address, malleated, sign
from ledger.units import Units

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

WALLETS: list[LocalAccount] = [Account.from_key(bytes([byte]) * 32) for byte in (0xA1, 0xB2)]
FORGER: LocalAccount = Account.from_key(b"\xe1" * 32)
HELD_UNITS = 10
BROADCASTS_PER_EXAMPLE = 12

wallets = st.sampled_from(WALLETS)
mostly_not = st.integers(min_value=0, max_value=9).map(lambda roll: roll == 9)


@dataclass(frozen=True)
class Broadcast:
    """One attempt to use an authorisation: who signed what, and for where and when."""

    owner: LocalAccount
    forged: bool
    to: bytes
    units: Units
    opens_in_seconds: int
    closes_in_seconds: int
    nonce: bytes
    other_chain: bool
    twisted: bool


broadcasts = st.builds(
    Broadcast,
    owner=wallets,
    forged=mostly_not,
    to=st.sampled_from([b"\x01" * 20, b"\x02" * 20, *map(account_address, WALLETS)]),
    units=st.integers(min_value=0, max_value=HELD_UNITS + 2).map(Units),
    opens_in_seconds=st.sampled_from([-100, -1, -1, -1, 0, 1]),
    closes_in_seconds=st.sampled_from([-1, 0, 1, 1, 1, 100]),
    nonce=st.sampled_from([b"\x01" * 32, b"\x02" * 32, b"\x03" * 32]),
    other_chain=mostly_not,
    twisted=mostly_not,
)


class Model:
    """Who holds what and which nonces are gone, in plain values."""

    def __init__(self) -> None:
        self.balances = {account_address(wallet): HELD_UNITS for wallet in WALLETS}
        self.used: set[tuple[bytes, bytes]] = set()

    def accepts(self, broadcast: Broadcast) -> bool:
        owner = account_address(broadcast.owner)
        return (
            not broadcast.forged
            and not broadcast.other_chain
            and not broadcast.twisted
            and broadcast.opens_in_seconds < 0 < broadcast.closes_in_seconds
            and (owner, broadcast.nonce) not in self.used
            and self.balances[owner] >= broadcast.units
        )

    def apply(self, broadcast: Broadcast) -> None:
        owner = account_address(broadcast.owner)
        self.used.add((owner, broadcast.nonce))
        self.balances[owner] -= broadcast.units
        self.balances[broadcast.to] = self.balances.get(broadcast.to, 0) + broadcast.units


def send(bill: Any, broadcast: Broadcast) -> None:
    now = rehearsal.now_seconds()
    authorization = Authorization(
        owner=account_address(broadcast.owner),
        to=broadcast.to,
        units=broadcast.units,
        valid_after_seconds=now + broadcast.opens_in_seconds,
        valid_before_seconds=now + broadcast.closes_in_seconds,
        nonce=broadcast.nonce,
    )
    message = billcoin.transfer_with_authorization_typed_data(
        authorization,
        chain_id=boa.env.evm.patch.chain_id + broadcast.other_chain,
        token=contract_address(bill),
    )
    signature = sign(FORGER if broadcast.forged else broadcast.owner, message)
    if broadcast.twisted:
        signature = malleated(signature)
    bill.transferWithAuthorization(*rehearsal.authorization_arguments(authorization, signature))


@settings(max_examples=50, deadline=None)
@given(attempts=st.lists(broadcasts, min_size=1, max_size=BROADCASTS_PER_EXAMPLE))
def test_it_moves_bill_exactly_when_every_condition_holds(attempts: list[Broadcast]) -> None:
    with rehearsal.fresh_state():
        bill, model = rehearsal.deploy_billcoin(), Model()
        for wallet in WALLETS:
            bill.mint(wallet.address, HELD_UNITS)

        for broadcast in attempts:
            if model.accepts(broadcast):
                send(bill, broadcast)
                model.apply(broadcast)
            else:
                with boa.reverts():
                    send(bill, broadcast)

        for address, units in model.balances.items():
            assert bill.balanceOf(f"0x{address.hex()}") == units
        assert bill.totalSupply() == sum(model.balances.values())
