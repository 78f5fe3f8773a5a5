"""The milk economy's story on real proof of stake, by the same commands as on anvil."""

from pathlib import Path

import pytest
from story import Story


@pytest.mark.timeout(1800)
def test_the_story_on_proof_of_stake_by_public_commands_only(tmp_path: Path) -> None:
    story = Story(tmp_path, "pos", price_age_seconds=30)
    try:
        story.up()
        story.tell()
    finally:
        story.down()
