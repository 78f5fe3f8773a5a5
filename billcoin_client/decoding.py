"""Reads JSON into the models by their fields' types; what is unknown is passed over."""

import dataclasses
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from billcoin_client.errors import AnswerMalformedError

Model = TypeVar("Model")


def decode(model: type[Model], document: Any) -> Model:
    """A model out of a JSON object.

    Raises:
        AnswerMalformedError: a field is missing, or is of another kind.
    """
    try:
        return _decode(model, document)
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise AnswerMalformedError(f"the answer is no {model.__name__}: {error!r}") from error


def wire_name(field: str) -> str:
    """How a field is called in JSON."""
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _decode(model: type[Model], document: Any) -> Model:
    if not isinstance(document, Mapping):
        raise TypeError(f"{document!r} is no object")
    values = {}
    for name, hint, has_default in _shape(cast("Any", model)):
        wire = wire_name(name)
        if wire in document or not has_default:
            values[name] = _value(hint, document[wire])
    return model(**values)


@cache
def _shape(model: type[Any]) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(model)
    return tuple(
        (one.name, hints[one.name], one.default is not dataclasses.MISSING)
        for one in dataclasses.fields(model)
    )


def _value(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        inner = next(one for one in get_args(hint) if one is not type(None))
        return None if value is None else _value(inner, value)
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{value!r} is no list")
        return tuple(_value(get_args(hint)[0], one) for one in value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _decode(hint, value)
    return _READERS[hint if origin is None else origin](value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> int:
    # Base units come as text, since many JSON readers would round them.
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _flag(value: Any) -> bool:
    # Truthiness would make a yes out of "false".
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _decimal(value: Any) -> Decimal:
    found = Decimal(_text(value))
    if not found.is_finite():
        raise ValueError(f"{value!r} is no amount")
    return found


def _moment(value: Any) -> datetime:
    found = datetime.fromisoformat(_text(value))
    if found.tzinfo is None:
        raise ValueError(f"{value!r} has no zone")
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no object")
    return value


_READERS: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    int: _number,
    bool: _flag,
    Decimal: _decimal,
    datetime: _moment,
    Mapping: _mapping,
}
