"""Who works in the shop and who comes to it: accounts as the office makes them."""

import time
from dataclasses import dataclass

from ledger.store.actor import OFFICE_COMMAND
from ledger.store.pool import connect
from oracle_api.access.office import Office
from oracle_api.access.passwords import Passwords
from oracle_api.access.principal import Role
from oracle_api.accounts.service import AccountService

CONTACT = "+60 3 1234 5678"
PASSWORD = "one litre of fresh milk"
STORE = "cafeteria"


@dataclass(frozen=True)
class Person:
    """Somebody with an account; all have the same password, whose hash takes long to make."""

    name: str
    role: Role
    password: str = PASSWORD


OFFICE = Person("office", Role.ADMIN)
CASHIER = Person("till-1", Role.TILL)
COLLEAGUE = Person("till-2", Role.TILL)
STUDENT = Person("aisyah", Role.STUDENT)
EVERYBODY = (OFFICE, CASHIER, COLLEAGUE, STUDENT)


async def make_accounts(database_url: str) -> None:
    """What `billcoin-oracle accounts create` does, without a process for each."""
    names = Office("the office", CONTACT)
    office = AccountService(names, time.time, is_test=True)
    passwords = Passwords(names)
    password_hash = await passwords.hash(PASSWORD)
    passwords.close()
    connection = await connect(database_url, application_name="people")
    try:
        async with connection.transaction():
            for person in EVERYBODY:
                await office.make(
                    connection,
                    OFFICE_COMMAND,
                    name=person.name,
                    roles=[person.role],
                    store_id=STORE if person.role is Role.TILL else None,
                    password_hash=password_hash,
                )
    finally:
        await connection.close()
