"""Reads our OpenAPI document, and compares answers with what it announces."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

JSON_TYPES = {"application/json", "application/problem+json"}


class Reader:
    """Reads a document with its references followed."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._validators: dict[int, tuple[dict[str, Any], Any]] = {}

    def follow(self, value: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in value:
            target: Any = self.document
            for name in value["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            value = target
        return value

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield path, method.upper(), operation

    def responses(self, operation: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        for status, response in operation["responses"].items():
            yield int(status), self.follow(response)

    def validator(self, schema: dict[str, Any]) -> Any:
        """Made once for each schema, which takes a thousand times as long as using it."""
        if id(schema) not in self._validators:
            whole = schema | {"components": self.document["components"]}
            made = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
            self._validators[id(schema)] = (schema, made)  # with what keeps the id its own
        return self._validators[id(schema)][1]

    def body_examples(self, operation: dict[str, Any]) -> list[Any]:
        if "requestBody" not in operation:
            return []
        content = operation["requestBody"]["content"]["application/json"]
        if "example" in content:
            return [content["example"]]
        schema = content["schema"]
        for one in schema.get("anyOf", [schema]):
            if examples := self.follow(one).get("examples"):
                return list(examples)
        return []


def request_of(
    reader: Reader, path: str, operation: dict[str, Any], ids: dict[str, str]
) -> tuple[str, dict[str, str]]:
    """URL and headers as the examples have them; `ids` replace those in the path."""
    url, headers = path, {}
    for parameter in map(reader.follow, operation["parameters"]):
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "path":
            url = url.replace(f"{{{name}}}", ids.get(name) or schema["examples"][0])
        elif parameter["in"] == "header":
            headers[name] = parameter["example"]
    return url, headers


def check_answer(
    reader: Reader,
    operation: dict[str, Any],
    status: int,
    answer: Any,
    told: dict[str, str],
) -> None:
    """The answer is one of those that the operation announces, as it announces it."""
    assert str(status) in operation["responses"], "a status that is not announced"
    response = reader.follow(operation["responses"][str(status)])
    for name, header in response["headers"].items():
        assert name.lower() in told or not reader.follow(header).get("required"), name
    if "content" not in response:
        assert answer == b"", "a body that is not announced"
        return
    ((media_type, content),) = response["content"].items()
    assert told["content-type"].split(";")[0] == media_type, "a type that is not announced"
    if media_type in JSON_TYPES:
        reader.validator(content["schema"]).validate(answer)
