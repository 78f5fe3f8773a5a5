"""The audit log's chain tells any change of what was written."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledger.audit_chain import GENESIS_HASH, AuditEntry, ChainCheck, ChainedEntry, follow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 4 * 10**15).map(lambda us: EPOCH + timedelta(microseconds=us))
TEXTS = st.text(max_size=20)
DETAILS = st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers() | TEXTS, max_size=3)
ENTRIES = st.builds(AuditEntry, MOMENTS, TEXTS, TEXTS, TEXTS, DETAILS, st.none() | TEXTS)


def chain_of(entries: list[AuditEntry]) -> list[ChainedEntry]:
    chained: list[ChainedEntry] = []
    for entry in entries:
        last_hash = chained[-1].hash if chained else GENESIS_HASH
        chained.append(follow(len(chained), last_hash, entry))
    return chained


def verdict(chain: list[ChainedEntry], head: ChainedEntry) -> tuple[str, int] | None:
    check = ChainCheck()
    found = check.read(chain) or check.finish(head_seq=head.seq, head_hash=head.hash)
    return found and (found.code, found.seq)


@given(st.lists(ENTRIES, min_size=1, max_size=6))
def test_an_untouched_log_checks(entries: list[AuditEntry]) -> None:
    chain = chain_of(entries)
    assert verdict(chain, chain[-1]) is None


@given(st.lists(ENTRIES, min_size=1, max_size=6), st.data())
def test_any_change_is_found_where_it_was_made(
    entries: list[AuditEntry], data: st.DataObject
) -> None:
    chain = chain_of(entries)
    at = data.draw(st.integers(0, len(chain) - 1))
    entry = chain[at].entry
    changed = data.draw(
        st.sampled_from(
            [
                replace(entry, at=entry.at + timedelta(microseconds=1)),
                replace(entry, actor=entry.actor + "x"),
                replace(entry, action=entry.action + "x"),
                replace(entry, subject=entry.subject + "x"),
                replace(entry, details={**entry.details, "new": 1}),
                replace(entry, request_id=(entry.request_id or "") + "x"),
            ]
        )
    )
    forged = [*chain[:at], replace(chain[at], entry=changed), *chain[at + 1 :]]
    assert verdict(forged, chain[-1]) == ("entry_changed", at + 1)


@given(st.lists(ENTRIES, min_size=2, max_size=6), st.data())
def test_a_missing_entry_is_found(entries: list[AuditEntry], data: st.DataObject) -> None:
    chain = chain_of(entries)
    at = data.draw(st.integers(0, len(chain) - 1))
    found = verdict([*chain[:at], *chain[at + 1 :]], chain[-1])
    assert found == (("head_differs" if at == len(chain) - 1 else "entry_missing"), at + 1)


@given(st.lists(ENTRIES, min_size=2, max_size=6))
def test_a_change_with_its_hash_made_new_breaks_the_next_link(entries: list[AuditEntry]) -> None:
    chain = chain_of(entries)
    forged = chain_of([replace(entries[0], actor=entries[0].actor + "x")])
    assert verdict([*forged, *chain[1:]], chain[-1]) == ("link_broken", 2)


def test_the_fields_do_not_run_into_each_other() -> None:
    at = datetime(2026, 4, 10, tzinfo=UTC)
    one = follow(0, GENESIS_HASH, AuditEntry(at, "a", "bc", "d", {}))
    other = follow(0, GENESIS_HASH, AuditEntry(at, "ab", "c", "d", {}))
    assert one.hash != other.hash
