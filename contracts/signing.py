"""Wallets and what they sign: eth-account, without the curve that none of our keys is on.

Its keystores can hold validators' keys as well (EIP-2335), for which py_ecc works out pairings of
BLS12-381 while it is imported: half of the time in which a command of ours starts.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

_BLS12_381_ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


class _Scheme:
    """What a validator's key pair is made with; looked up when one is."""

    def __getattr__(self, name: str) -> Any:
        from py_ecc.bls.ciphersuites import G2ProofOfPossession  # noqa: PLC0415 - the slow one

        return getattr(G2ProofOfPossession, name)


def _stand_in(name: str, **values: Any) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(values)
    return module


@contextmanager
def _pairings_put_off() -> Iterator[None]:
    """Let eth-keyfile take stand-ins for what is slow; later others find the real modules."""
    if "py_ecc" in sys.modules:
        yield
        return
    stand_ins = {
        "py_ecc.bls": _stand_in("py_ecc.bls", G2ProofOfPossession=_Scheme()),
        "py_ecc.bls12_381": _stand_in("py_ecc.bls12_381", curve_order=_BLS12_381_ORDER),
    }
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


with _pairings_put_off():
    from eth_account import Account
    from eth_account.messages import encode_defunct, encode_typed_data
    from eth_account.signers.local import LocalAccount

__all__ = ["Account", "LocalAccount", "encode_defunct", "encode_typed_data"]
