"""A small memory with an end: values that are good for a while, the oldest forgotten first."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """At most `max_items` values, each until its own time; times in seconds of the caller's."""

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def get(self, key: Key, *, now: float) -> Value | None:
        """The value, unless its time is over."""
        item = self._items.get(key)
        if item is None:
            return None
        if item[0] <= now:
            del self._items[key]
            return None
        return item[1]

    def put(self, key: Key, value: Value, *, until: float) -> None:
        """Keep a value until then, or until newer ones push it out."""
        self._items[key] = (until, value)
        self._items.move_to_end(key)
        while len(self._items) > self._max_items:
            self._items.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forget a value."""
        self._items.pop(key, None)
