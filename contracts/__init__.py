"""The contracts of BillCoin: Vyper sources, their artifacts and a typed loader."""
