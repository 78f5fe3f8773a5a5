"""What the office may ask for, checked before anything else looks at it."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, StringConstraints, WithJsonSchema

from oracle_api.access.office import Office
from oracle_api.access.passwords import MAX_CHARACTERS, MIN_CHARACTERS
from oracle_api.access.principal import Role, Scope
from oracle_api.accounts.service import DEFAULT_KEY_DAYS, MAX_KEY_DAYS
from oracle_api.forms import ONE_LINE, WHOLE, StrictRequest

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9._@-]{1,63}$"
STORE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

_NAME: Final = re.compile(NAME_PATTERN, re.ASCII)
_STORE: Final = re.compile(STORE_PATTERN, re.ASCII)
_TILL_NEEDS_STORE: Final[dict[str, JsonValue]] = {
    "if": {"properties": {"roles": {"contains": {"const": "till"}}}},
    "then": {"required": ["storeId"], "properties": {"storeId": {"type": "string"}}},
}


def _each_once(values: list[Role] | list[Scope]) -> list[Role] | list[Scope]:
    if len(set(values)) < len(values):
        raise ValueError("one is there twice")
    return values


AccountName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
StoreId = Annotated[str, StringConstraints(pattern=STORE_PATTERN)]
Password = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_CHARACTERS),
    WithJsonSchema({"type": "string", "minLength": MIN_CHARACTERS, "maxLength": MAX_CHARACTERS}),
]
# JSON has strings only, which a strict enumeration would refuse.
Roles = Annotated[
    list[Annotated[Role, Field(strict=False)]],
    Field(min_length=1, max_length=len(Role), json_schema_extra={"uniqueItems": True}),
    AfterValidator(_each_once),
]
Scopes = Annotated[
    list[Annotated[Scope, Field(strict=False)]],
    Field(min_length=1, max_length=len(Scope), json_schema_extra={"uniqueItems": True}),
    AfterValidator(_each_once),
]
KeyName = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=ONE_LINE)]


class NewAccountRequest(StrictRequest):
    """An account to be made."""

    model_config = ConfigDict(
        json_schema_extra=_TILL_NEEDS_STORE
        | {"examples": [{"name": "till-3", "roles": ["till"], "storeId": "cafeteria"}]},
    )

    name: AccountName
    roles: Roles
    storeId: StoreId | None = None  # noqa: N815 - as JSON names it
    password: Password | None = None


class RolesRequest(StrictRequest):
    """The roles that an account shall have from now on."""

    model_config = ConfigDict(
        json_schema_extra=_TILL_NEEDS_STORE
        | {"examples": [{"roles": ["till", "finance"], "storeId": "cafeteria"}]},
    )

    roles: Roles
    storeId: StoreId | None = None  # noqa: N815 - as JSON names it


class PasswordRequest(StrictRequest):
    """An account's new password."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"password": "correct horse battery"}]},
    )

    password: Password


class NewApiKeyRequest(StrictRequest):
    """An API key to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "production server", "scopes": ["payments:validate"]}]
        },
    )

    name: KeyName
    scopes: Scopes
    expiresInDays: Annotated[int, Field(ge=1, le=MAX_KEY_DAYS), WHOLE] = DEFAULT_KEY_DAYS  # noqa: N815


def is_account_name(text: str) -> bool:
    """Whether an account can have this name."""
    return _NAME.fullmatch(text) is not None


def read_name(text: str, office: Office) -> str:
    """An account's name.

    Raises:
        DeniedError: `account_name_invalid`.
    """
    if not is_account_name(text):
        raise office.refused(
            "account_name_invalid",
            "a name has 2 to 64 characters of a-z, 0-9 and . _ @ -, and begins with a-z or 0-9",
            param="name",
        )
    return text


def read_store(text: str | None, office: Office) -> str | None:
    """A store's id.

    Raises:
        DeniedError: `store_invalid`.
    """
    if text is not None and _STORE.fullmatch(text) is None:
        message = f"a store's id is {STORE_PATTERN}"
        raise office.refused("store_invalid", message, param="storeId")
    return text
