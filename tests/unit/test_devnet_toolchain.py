"""The lock of the chain's binary: pinned by version and hash, tied to no host."""

import json
from pathlib import Path

DEVNET = Path(__file__).parents[2] / "devnet"
LOCK = json.loads((DEVNET / "package-lock.json").read_text())
PACKAGES = {name: entry for name, entry in LOCK["packages"].items() if name}


def test_the_lock_names_no_host() -> None:
    assert "://" not in (DEVNET / "package-lock.json").read_text()
    assert "omit-lockfile-registry-resolved=true" in (DEVNET / ".npmrc").read_text().split()


def test_anvil_is_the_only_dependency_and_one_version() -> None:
    manifest = json.loads((DEVNET / "package.json").read_text())
    assert manifest["dependencies"] == {"@foundry-rs/anvil": "1.7.1"}
    assert {entry["version"] for entry in PACKAGES.values()} == {"1.7.1"}


def test_what_linux_servers_and_ci_install_is_pinned_by_hash() -> None:
    for name in ("anvil", "anvil-linux-amd64"):
        entry = PACKAGES[f"node_modules/@foundry-rs/{name}"]
        assert entry["integrity"].startswith("sha512-")


def test_every_platform_of_anvil_is_locked() -> None:
    wrapper = PACKAGES["node_modules/@foundry-rs/anvil"]
    for name in wrapper["optionalDependencies"]:
        entry = PACKAGES[f"node_modules/{name}"]
        assert entry["optional"]
        assert len(entry["os"]) == len(entry["cpu"]) == 1
