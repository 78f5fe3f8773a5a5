"""The style that DESIGN.md asks for, on every tracked file."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_DOCSTRING_CHARACTERS = 100
SOURCE_SUFFIXES = {".py", ".vy", ".js", ".css", ".html"}
TEXT_SUFFIXES = SOURCE_SUFFIXES | {
    *(".md", ".toml", ".yml", ".yaml", ".json", ".sh", ".cfg", ".mako", ".webmanifest", ".lock"),
    *("", ".txt", ".npmrc"),
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
# Put together from pieces, so that this file does not hold what it looks for.
_WORDS = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"))
_ROOTS = "|".join(("ho" + "me", "Us" + "ers", "ro" + "ot", "wo" + "rk"))
OPEN_ENDS = re.compile(rf"\b({_WORDS})\b")
MACHINE_PATHS = re.compile(rf"(?<![\w.])/(?:{_ROOTS})/[\w.-]+")
LOCK_HOSTS = re.compile(r"\w+://", re.ASCII)


def tracked(pattern: str = "") -> list[Path]:
    listed = subprocess.run(  # noqa: S603 - our own arguments
        ["git", "-C", str(ROOT), "ls-files", "-z", "--", *([pattern] if pattern else [])],  # noqa: S607
        capture_output=True,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


@pytest.fixture(scope="module")
def files() -> list[Path]:
    try:
        found = tracked()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout: nothing says which files are the project's")
    assert ROOT / "pyproject.toml" in found
    return found


def in_tests(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] == "tests"


def sources(files: list[Path]) -> Iterator[tuple[Path, str]]:
    for path in files:
        if path.suffix in SOURCE_SUFFIXES:
            yield path, path.read_text(encoding="utf-8")


def told(path: Path, *where: object) -> str:
    return ":".join([str(path.relative_to(ROOT)), *(str(part) for part in where)])


def test_no_file_is_longer_than_300_lines(files: list[Path]) -> None:
    long = [
        told(path, count)
        for path, text in sources(files)
        if not in_tests(path) and (count := text.count("\n")) > MAX_FILE_LINES
    ]
    assert long == []


def test_no_function_is_longer_than_40_lines(files: list[Path]) -> None:
    """Its docstring says why and is not counted; nor is the signature, which only names things."""
    long = [
        told(path, node.name, count)
        for path, text in sources(files)
        if path.suffix == ".py" and not in_tests(path)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := _body_lines(node)) > MAX_FUNCTION_LINES
    ]
    assert long == []


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_module_says_in_one_sentence_what_it_is(files: list[Path]) -> None:
    unclear = []
    for path, text in sources(files):
        if path.suffix != ".py":
            continue
        first = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
        if not first.endswith(".") or len(first) > MAX_DOCSTRING_CHARACTERS:
            unclear.append(told(path, first or "no docstring"))
    assert unclear == []


def test_no_module_is_named_for_being_a_module(files: list[Path]) -> None:
    vague = [told(path) for path in files if FORBIDDEN_NAMES & {path.stem, *path.parent.parts}]
    assert vague == []


def test_nothing_is_left_open(files: list[Path]) -> None:
    assert _matches(files, OPEN_ENDS) == []


def test_no_file_names_a_place_on_somebodys_machine(files: list[Path]) -> None:
    assert _matches(files, MACHINE_PATHS) == []


def test_locks_pin_hashes_and_name_no_host(files: list[Path]) -> None:
    locks = [path for path in files if path.name.endswith((".lock", "lock.json"))]
    assert len(locks) >= 2
    assert _matches(locks, LOCK_HOSTS) == []
    for path in locks:
        assert re.search(r"sha(256|512)[:-]", path.read_text(encoding="utf-8"))


def test_the_patterns_find_what_they_are_for() -> None:
    assert OPEN_ENDS.search("# " + "TO" + "DO: later")
    assert not OPEN_ENDS.search("mastodon, hackney and XXXL")
    assert MACHINE_PATHS.search("see /" + "home/ada/notes")
    assert MACHINE_PATHS.search("'/" + "work/main'")
    assert not MACHINE_PATHS.search("https://example.org/" + "work/main, network/main")


def _matches(files: list[Path], pattern: re.Pattern[str]) -> list[str]:
    return [
        told(path, number, match.group())
        for path in files
        if path.suffix in TEXT_SUFFIXES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (match := pattern.search(line))
    ]
