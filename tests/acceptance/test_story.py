"""The milk economy's story on the fast profile, command by command as docs/economy.md tells it."""

from pathlib import Path

import pytest
from story import Story


@pytest.mark.timeout(300)
def test_from_a_batch_of_milk_to_the_audit_by_public_commands_only(tmp_path: Path) -> None:
    story = Story(tmp_path, "fast", price_age_seconds=12)
    try:
        story.up()
        story.tell()
    finally:
        story.down()
