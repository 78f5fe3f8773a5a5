"""The indexer's settings: nodes by position, a quorum that makes sense, errors that help."""

import pytest
from pydantic import ValidationError

from indexer.settings import IndexerSettings, NodeUrls
from ledger.errors import RejectedError

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def settings(**changes: object) -> IndexerSettings:
    values: dict[str, object] = {
        "DATABASE_URL": "postgresql://127.0.0.1/billcoin",
        "chain_id": 31337,
        "token_address": ADDRESS,
        "vault_factory_address": ADDRESS,
        "vault_implementation_address": ADDRESS,
        "treasury_address": ADDRESS,
        "node_http_url": "http://a",
    }
    return IndexerSettings(**(values | changes))


def test_one_node_without_a_socket() -> None:
    chosen = settings()
    assert chosen.nodes == (NodeUrls("http://a", None),)
    assert chosen.required == 1


def test_several_nodes_have_their_sockets_in_the_same_places() -> None:
    chosen = settings(node_http_url="http://a, http://b,http://c", node_ws_url="ws://a,,ws://c")
    assert chosen.nodes == (
        NodeUrls("http://a", "ws://a"),
        NodeUrls("http://b", None),
        NodeUrls("http://c", "ws://c"),
    )
    assert chosen.required == 2  # more than half


@pytest.mark.parametrize(("count", "required"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_the_quorum_is_more_than_half(count: int, required: int) -> None:
    urls = ",".join(f"http://node{number}" for number in range(count))
    assert settings(node_http_url=urls).required == required


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"node_http_url": "http://a,,http://b"}, "between all its commas"),
        ({"node_ws_url": "ws://a,ws://b"}, "more nodes"),
        ({"nodes_required": 2}, "more than there are nodes"),
        ({"nodes_required": 0}, "greater than or equal to 1"),
        ({"token_address": "0x12"}, "20-byte address"),
        ({"chain_id": 0}, "greater than 0"),
        ({"block_time_seconds": 0}, "greater than 0"),
    ],
)
def test_what_makes_no_sense_is_explained(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**changes)


def test_history_is_read_from_the_first_node_that_speaks_http() -> None:
    mixed = settings(node_http_url="ws://a,http://b,https://c")
    assert mixed.history_url() == "http://b"
    assert mixed.history_url("https://other") == "https://other"


@pytest.mark.parametrize("chosen", [None, "ws://other", "other:8545"])
def test_without_http_history_is_refused_with_what_to_do(chosen: str | None) -> None:
    with pytest.raises(RejectedError, match="--node http://") as refused:
        settings(node_http_url="ws://a,wss://b").history_url(chosen)
    assert refused.value.code == "http_node_needed"
