"""The milk economy's story on real proof of stake, as docs/economy.md tells it."""

from pathlib import Path

import pytest
from story import Story


@pytest.mark.timeout(900)
def test_from_a_batch_of_milk_to_the_audit_by_public_commands_only(tmp_path: Path) -> None:
    story = Story(tmp_path, "pos", price_age_seconds=30)
    try:
        story.up()
        story.tell()
    finally:
        story.down()
