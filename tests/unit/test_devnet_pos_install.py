"""The proof-of-stake clients are installed when they are first asked for, and then no more."""

import os
from pathlib import Path

import pytest

from devnet.pos import install
from ledger.errors import TransientError

NODE = "#!/bin/sh\necho v22.0.0\n"
NPM = """#!/bin/sh
test "$1" = --prefix && test "$3" = ci || exit 9
test "$4" = --ignore-scripts || exit 9
mkdir "$2/node_modules"
if test -e "$2/broken"; then echo "the registry is away"; exit 1; fi
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One client to be installed, by a stand-in for npm: the real one is what tests/pos run."""
    programs, client = tmp_path / "bin", tmp_path / "execution"
    for path in (programs, client):
        path.mkdir()
    for name, text in (("node", NODE), ("npm", NPM)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (client / "package-lock.json").write_text("{}")
    monkeypatch.setattr(install, "_WORDS", {client: "execution client, 111 MB"})
    monkeypatch.setenv("PATH", os.pathsep.join([str(programs), os.environ["PATH"]]))
    return client


def test_it_says_what_it_installs_and_installs_it_once(folder: Path) -> None:
    said: list[str] = []
    install.install_clients(said.append)
    assert said == ["installing the execution client, 111 MB: once, about half a minute"]
    assert install.is_installed(folder)
    install.install_clients(said.append)
    assert len(said) == 1


def test_a_new_lock_is_installed_anew(folder: Path) -> None:
    install.install_clients(lambda _: None)
    (folder / "package-lock.json").write_text('{"new": true}')
    assert not install.is_installed(folder)


def test_a_failed_installation_says_why_and_leaves_nothing(folder: Path) -> None:
    (folder / "broken").touch()
    with pytest.raises(TransientError, match="the registry is away"):
        install.install_clients(lambda _: None)
    assert not (folder / "node_modules").exists()
