"""Which orders a caller may see."""

from ledger.audience import EVERYTHING, Audience
from oracle_api.access.principal import Principal, Role


def audience_of(principal: Principal) -> Audience:
    """All orders for finance and admin, its store's for a till, for everybody else their own.

    What is not to be seen is answered as what is not there.
    """
    if principal.has(Role.ADMIN, Role.FINANCE):
        return EVERYTHING
    if principal.has(Role.TILL) and principal.store_id is not None:
        return Audience(store_id=principal.store_id)
    return Audience(account_id=principal.account_id)
