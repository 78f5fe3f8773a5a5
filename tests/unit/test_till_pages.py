"""The till's own files: complete, in two languages, and unable to run what they are told."""

import json
import re
import struct
import zlib
from functools import cache
from html.parser import HTMLParser

import pytest

from ledger.order import Status
from oracle_api.till import draw_icons
from oracle_api.till.assets import read_assets, read_page

SCRIPTS = sorted(name for name in read_assets() if name.endswith(".js"))
SHEETS = sorted(name for name in read_assets() if name.endswith(".css"))
VOID = {"meta", "link", "input", "img", "use", "path", "rect", "circle"}


def content(name: str) -> str:
    return read_assets()[name].content.decode()


@cache
def strings(language: str) -> dict[str, str]:
    """The words of a language; its file is JSON but for the comment and the export."""
    text = content(f"strings/{language}.js")
    found: dict[str, str] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return found


class Page(HTMLParser):
    """Collects the page's elements, and complains about tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inline: list[str] = []
        self.feed(read_page().content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"script", "style"} and data.strip():
            self.inline.append(data)


PAGE = Page()


def test_the_page_is_well_formed_and_names_each_id_once() -> None:
    assert PAGE.open == []
    ids = [attributes["id"] for _, attributes in PAGE.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    assert PAGE.inline == []
    for tag, attributes in PAGE.elements:
        assert tag != "style"
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_everything_that_the_page_loads_is_ours_and_there() -> None:
    ids = {attributes.get("id") for _, attributes in PAGE.elements}
    loaded = [
        str(attributes.get("src") or attributes.get("href"))
        for _, attributes in PAGE.elements
        if attributes.get("src") or attributes.get("href")
    ]
    assert loaded
    for target in loaded:
        if target.startswith("#"):
            assert target[1:] in ids
        else:
            assert target.removeprefix("/till/assets/") in read_assets()


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_import_only_what_is_there(name: str) -> None:
    folder = name.rpartition("/")[0]
    for target in re.findall(r'from "([^"]+)"', content(name)):
        assert target.startswith("./")
        assert "/".join(filter(None, [folder, target[2:]])) in read_assets()


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_never_turn_data_into_markup_or_code(name: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"
        r"|setTimeout\(\s*[\"'`]|https?:(?!//www\.w3\.org/2000/svg)|createContextualFragment"
    )
    assert re.findall(forbidden, content(name)) == []


@pytest.mark.parametrize("name", SHEETS)
def test_style_sheets_load_nothing(name: str) -> None:
    assert re.findall(r"url\(|@import", content(name)) == []


@pytest.mark.parametrize("name", [*SCRIPTS, *SHEETS])
def test_files_stay_small(name: str) -> None:
    assert content(name).count("\n") <= 300


def test_both_languages_have_the_same_words_with_the_same_blanks() -> None:
    english, malay = strings("en"), strings("ms")
    assert english.keys() == malay.keys()
    for key, text in english.items():
        assert text
        assert malay[key]
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", malay[key]))


def test_every_word_that_is_asked_for_exists_and_none_is_left_over() -> None:
    asked = {
        str(value)
        for _, attributes in PAGE.elements
        for name, value in attributes.items()
        if name.startswith("data-i18n")
    }
    code = "\n".join(content(name) for name in SCRIPTS if not name.startswith("strings/"))
    asked |= {
        key for key in strings("en") if re.search(rf'["`]{re.escape(key)}["`]', code) is not None
    }
    stems = tuple(re.findall(r"t\(`([a-z.]+)\$\{", code))
    left = [key for key in strings("en") if key not in asked and not key.startswith(stems)]
    assert asked <= strings("en").keys()
    assert left == []


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_word_an_icon_and_a_colour(status: Status) -> None:
    assert strings("en")[f"status.{status}"]
    icons = dict(re.findall(r'^  (\w+): "(\w+)",$', content("status.js"), re.MULTILINE))
    assert f"i-{icons[status]}" in {attributes.get("id") for _, attributes in PAGE.elements}
    sheets = "\n".join(content(name) for name in SHEETS)
    is_plain = status in {Status.EXPIRED, Status.CANCELLED}
    assert is_plain or f'[data-status="{status}"]' in sheets


def test_the_labels_are_those_of_the_design() -> None:
    words = strings("en")
    assert words["status.awaiting_payment"] == "Awaiting Payment"
    assert words["status.paid"] == words["status.settled"] == "Paid \N{EN DASH} Ready"
    assert words["status.detected"] == "Payment seen"
    assert words["status.reversed"] == "Payment reversed \N{EN DASH} do not hand over"


def test_every_event_of_the_journal_is_listened_to() -> None:
    types = set(re.findall(r'"(\w+)"', content("stream.js").split("EVENT_TYPES = [")[1][:300]))
    assert {str(status) for status in Status} | {"created", "updated"} <= types


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and unfiltered RGB lines of a PNG that `draw_icons` wrote."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert (depth, colour) == (8, 2)
    data = png[png.index(b"IDAT") + 4 : -16]
    return width, height, zlib.decompress(data)


@pytest.mark.parametrize("size", draw_icons.SIZES_PIXELS)
def test_icons_are_square_small_and_not_blank(size: int) -> None:
    asset = read_assets()[f"icon-{size}.png"]
    width, height, lines = pixels(asset.content)
    assert (width, height) == (size, size)
    assert len(lines) == size * (3 * size + 1)
    assert len(set(lines)) > 3
    assert len(asset.content) < 10_000


def test_the_committed_icon_is_the_drawn_one() -> None:
    assert pixels(draw_icons.draw_png(192)) == pixels(read_assets()["icon-192.png"].content)
