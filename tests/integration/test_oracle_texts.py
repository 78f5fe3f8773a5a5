"""No text that a caller chooses brings down what it gets to, or lies to who reads it later."""

import re
from collections.abc import Iterator
from typing import Any

from openapi_reader import Reader
from oracle_support import announcements

UNFIT = ["a\0b", "a\nb", "\x1b[2J", "a\x85b", "a\u2028b", "\u202edia", "\u2066a"]
"""What the database cannot hold, what forges a line, moves a terminal or turns writing around."""

NEVER_KEPT = {"username", "password", "refresh_token", "lastEventId"}
"""What is only hashed, or read as a number."""


def texts(
    reader: Reader, schema: dict[str, Any], name: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every text within a schema that is not one of a few."""
    schema = reader.follow(schema)
    if schema.get("type") == "string" and not schema.keys() & {"enum", "const"}:
        yield name, schema
    for one in schema.get("anyOf", ()):
        yield from texts(reader, one, name)
    for inner, one in schema.get("properties", {}).items():
        yield from texts(reader, one, inner)
    if isinstance(schema.get("items"), dict):
        yield from texts(reader, schema["items"], name)


def test_every_text_has_a_form_that_keeps_out_what_is_unfit() -> None:
    reader = Reader(announcements().document)
    bare = set()
    for path, method, operation in reader.operations():
        places = [
            (parameter["name"], parameter["schema"])
            for parameter in map(reader.follow, operation["parameters"])
            if parameter["in"] in {"path", "query"}
        ]
        body = reader.follow(operation.get("requestBody", {})).get("content", {})
        places += [("body", content["schema"]) for content in body.values()]
        for name, schema in (
            text for place in places for text in texts(reader, place[1], place[0])
        ):
            pattern = schema.get("pattern")
            if pattern is None or any(re.search(pattern, one) for one in UNFIT):
                bare.add((method, path, name))
    assert {one for one in bare if one[2] not in NEVER_KEPT} == set()
