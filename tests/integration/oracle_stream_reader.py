"""Reads an event stream as a browser does."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Message:
    event: str
    id: int | None
    data: Any


@dataclass
class Stream:
    """Reads an event stream as a browser does."""

    content: aiohttp.StreamReader
    comments: int = 0
    retry: int | None = None

    async def next(self, *, timeout_seconds: float = 20.0) -> Message:
        async with asyncio.timeout(timeout_seconds):
            while True:
                message = await self._block()
                if message is not None:
                    return message

    async def take(self, count: int) -> list[Message]:
        return [await self.next() for _ in range(count)]

    async def comment(self, *, timeout_seconds: float = 20.0) -> None:
        before = self.comments
        async with asyncio.timeout(timeout_seconds):
            while self.comments == before:
                assert await self._block() is None

    async def _block(self) -> Message | None:
        fields: dict[str, str] = {}
        while line := (await self.content.readline()).decode():
            if line == "\n":
                break
            name, _, value = line.rstrip("\n").partition(":")
            if not name:
                self.comments += 1
            elif name == "retry":
                self.retry = int(value)
            else:
                fields[name] = value.removeprefix(" ")
        else:
            raise EOFError("the stream has ended")
        if "event" not in fields:
            return None
        number = int(fields["id"]) if "id" in fields else None
        return Message(fields["event"], number, json.loads(fields["data"]))
