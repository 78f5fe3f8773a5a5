# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Supplier register
@custom:contract-name supplier_register
@license MIT
@notice Which suppliers the regulator approves, and for what: feed or veterinary services.
@dev A module.
"""

from . import regulation

uses: regulation


event SupplierApproved:
    supplier: indexed(address)
    kind: uint8


event SupplierRevoked:
    supplier: indexed(address)


FEED: public(constant(uint8)) = 1
VETERINARY: public(constant(uint8)) = 2

# Zero for everybody who is not an approved supplier.
supplier_kind: public(HashMap[address, uint8])


@external
def approve_supplier(supplier: address, kind: uint8):
    """
    @notice Lets a supplier list offers; only the regulator may call.
    @param supplier The account that is settled with; not the zero address.
    @param kind 1 for feed, 2 for veterinary services.
    """
    regulation._check_regulator()
    assert supplier != empty(address), "supplier_register: supplier is the zero address"
    assert kind in [FEED, VETERINARY], "supplier_register: unknown kind"
    assert self.supplier_kind[supplier] == 0, "supplier_register: supplier is approved already"
    self.supplier_kind[supplier] = kind
    log SupplierApproved(supplier=supplier, kind=kind)


@external
def revoke_supplier(supplier: address):
    """
    @notice Ends an approval at once: nothing more can be bought; only the regulator may call. What was
            bought before takes its course.
    @param supplier An approved supplier.
    """
    regulation._check_regulator()
    assert self.supplier_kind[supplier] != 0, "supplier_register: supplier is not approved"
    self.supplier_kind[supplier] = 0
    log SupplierRevoked(supplier=supplier)
