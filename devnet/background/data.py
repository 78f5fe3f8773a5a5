"""Where a profile's data lies, and how it is deleted."""

import shutil
from pathlib import Path

from devnet.background.record import Folders, Profile
from devnet.postgres_account import lasting_home


def database_home(folders: Folders, profile: Profile) -> Path:
    """The database's folder: below the profile's, or elsewhere where root's folders are closed."""
    folders.make(profile)
    return lasting_home(folders.data(profile) / "postgres")


def delete_data(folders: Folders, profile: Profile) -> None:
    """Delete chain and database of a profile; nothing of it may run."""
    for folder in (database_home(folders, profile), folders.data(profile)):
        shutil.rmtree(folder, ignore_errors=True)
