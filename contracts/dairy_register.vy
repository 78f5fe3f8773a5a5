# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Dairy register
@custom:contract-name dairy_register
@license MIT
@notice Which dairies the regulator approves, which sensors are theirs, and how many litres each may
        attest in a calendar year.
@dev A module. Litres have 18 decimals, so that one litre is one BILL in base units.
"""

from . import regulation

uses: regulation


event DairyApproved:
    dairy: indexed(address)


event DairyRevoked:
    dairy: indexed(address)


event SensorApproved:
    sensor: indexed(address)
    dairy: indexed(address)


event SensorRevoked:
    sensor: indexed(address)
    dairy: indexed(address)


event QuotaSet:
    dairy: indexed(address)
    year: indexed(uint256)
    litres: uint256


is_dairy: public(HashMap[address, bool])
# The dairy that an approved sensor belongs to; the zero address for every other account.
sensor_dairy: public(HashMap[address, address])
quota_litres: public(HashMap[address, HashMap[uint256, uint256]])
# What counts against the quota. Recalled litres stay in it: see the minting module.
attested_litres: public(HashMap[address, HashMap[uint256, uint256]])


@external
def approve_dairy(dairy: address):
    """
    @notice Lets a dairy attest milk and spend at the market; only the regulator may call.
    @param dairy The account that BILL is minted to; not the zero address.
    """
    regulation._check_regulator()
    assert dairy != empty(address), "dairy_register: dairy is the zero address"
    assert not self.is_dairy[dairy], "dairy_register: dairy is approved already"
    self.is_dairy[dairy] = True
    log DairyApproved(dairy=dairy)


@external
def revoke_dairy(dairy: address):
    """
    @notice Ends a dairy's approval at once; only the regulator may call. What it holds stays its own.
    @param dairy An approved dairy.
    """
    regulation._check_regulator()
    assert self.is_dairy[dairy], "dairy_register: dairy is not approved"
    self.is_dairy[dairy] = False
    log DairyRevoked(dairy=dairy)


@external
def approve_sensor(sensor: address, dairy: address):
    """
    @notice Lets a sensor sign for one dairy; only the regulator may call.
    @param sensor The account whose key is inside the sensor.
    @param dairy The approved dairy where it stands.
    """
    regulation._check_regulator()
    assert sensor != empty(address), "dairy_register: sensor is the zero address"
    assert self.is_dairy[dairy], "dairy_register: dairy is not approved"
    assert self.sensor_dairy[sensor] == empty(address), "dairy_register: sensor is approved already"
    self.sensor_dairy[sensor] = dairy
    log SensorApproved(sensor=sensor, dairy=dairy)


@external
def revoke_sensor(sensor: address):
    """
    @notice Ends a sensor's approval at once, also for what it signed and nobody has submitted yet; the
            regulator and the sensor's own dairy may call.
    @param sensor An approved sensor.
    """
    dairy: address = self.sensor_dairy[sensor]
    assert dairy != empty(address), "dairy_register: sensor is not approved"
    # A dairy that loses a sensor must not have to wait for an office to open.
    if msg.sender != dairy:
        regulation._check_regulator()
    self.sensor_dairy[sensor] = empty(address)
    log SensorRevoked(sensor=sensor, dairy=dairy)


@external
def set_quota(dairy: address, year: uint256, litres: uint256):
    """
    @notice Sets how much a dairy may attest in a year; only the regulator may call.
    @param dairy The dairy.
    @param year A calendar year in UTC, such as 2026.
    @param litres With 18 decimals; not less than what is attested for that year already, so that
           "never above quota" holds at all times and not only when a batch comes in.
    """
    regulation._check_regulator()
    assert litres >= self.attested_litres[dairy][year], "dairy_register: quota is below what is attested"
    self.quota_litres[dairy][year] = litres
    log QuotaSet(dairy=dairy, year=year, litres=litres)


@internal
@view
def _check_sensor(sensor: address, dairy: address):
    # Neither a revoked dairy nor an unknown one, whose sensors would else match the zero address.
    assert self.is_dairy[dairy], "dairy_register: dairy is not approved"
    assert self.sensor_dairy[sensor] == dairy, "dairy_register: sensor is not approved for the dairy"


@internal
def _use_quota(dairy: address, year: uint256, litres: uint256):
    # Compared before it is added: attested litres that no addition can hold are over quota as well.
    left: uint256 = self.quota_litres[dairy][year] - self.attested_litres[dairy][year]
    assert litres <= left, "dairy_register: quota is used up"
    self.attested_litres[dairy][year] += litres
