"""Turns a true answer into a false one, in the ways that nodes have been seen to do it."""

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.switches import Strike
from ledger.json_hex import to_hex
from ledger.transfer import TRANSFER_TOPIC

Tamper: TypeAlias = Callable[[ChainModel, Strike, Any], Any]

UNCHANGED = object()
"""What a tampering returns when the answer gives it nothing to spoil."""

_ROOTS = ("stateRoot", "transactionsRoot", "receiptsRoot", "parentHash")


def _omit_log(_model: ChainModel, strike: Strike, answer: Any) -> Any:
    if not isinstance(answer, list) or not answer:
        return UNCHANGED
    spoilt = list(answer)
    del spoilt[strike.random.randrange(len(spoilt))]
    return spoilt


def _empty(_model: ChainModel, _strike: Strike, answer: Any) -> Any:
    return [] if answer != [] else UNCHANGED


def _null(_model: ChainModel, _strike: Strike, answer: Any) -> Any:
    return None if answer is not None else UNCHANGED


def _receipts_of_another_block(model: ChainModel, _strike: Strike, answer: Any) -> Any:
    block = _block_of(model, answer)
    parent = None if block is None else model.blocks.get(block.parent_hash)
    if block is None or parent is None or not (parent.receipts_json or block.receipts_json):
        return UNCHANGED
    spoilt = copy.deepcopy(parent.receipts_json)
    for receipt in spoilt:
        receipt["blockHash"], receipt["blockNumber"] = to_hex(block.hash), hex(block.number)
    return spoilt


def _another_block(model: ChainModel, _strike: Strike, answer: Any) -> Any:
    if not isinstance(answer, dict):
        return UNCHANGED
    parent = model.blocks.get(bytes.fromhex(answer["parentHash"][2:]))
    if parent is None:
        return UNCHANGED
    return parent.block_json if "transactions" in answer else parent.header_json


def _truncate(_model: ChainModel, strike: Strike, answer: Any) -> Any:
    if isinstance(answer, dict) and answer.get("transactions"):
        kept = strike.random.randrange(len(answer["transactions"]))
        return answer | {"transactions": answer["transactions"][:kept]}
    if isinstance(answer, list) and answer:
        return answer[: strike.random.randrange(len(answer))]
    return UNCHANGED


def _wrong_receipt(_model: ChainModel, strike: Strike, answer: Any) -> Any:
    spoilt = copy.deepcopy(answer)
    logs = _logs(spoilt)
    if not logs:
        if not spoilt:
            return UNCHANGED
        spoilt[0]["status"] = "0x0"
        return spoilt
    log = strike.random.choice(logs)
    if strike.random.random() < 1 / 2 and log["topics"]:
        log["topics"][-1] = to_hex(bytes(12) + strike.random.randbytes(20))
    else:
        log["data"] = to_hex((10**18 + strike.random.getrandbits(64)).to_bytes(32, "big"))
    return spoilt


def _forged_transfer(model: ChainModel, strike: Strike, answer: Any) -> Any:
    if not isinstance(answer, list) or not answer:
        return UNCHANGED
    spoilt = copy.deepcopy(answer)
    receipt = spoilt[-1]
    recipient = strike.random.randbytes(20)
    known = [log["topics"][2] for log in _logs(spoilt) if len(log["topics"]) > 2]  # noqa: PLR2004
    receipt["logs"].append(
        {
            "address": to_hex(model.deployment.token),
            "topics": [
                to_hex(TRANSFER_TOPIC),
                to_hex(bytes(12) + model.wallets[0]),
                strike.random.choice(known) if known else to_hex(bytes(12) + recipient),
            ],
            "data": to_hex((10**18).to_bytes(32, "big")),
            "blockHash": receipt["blockHash"],
            "blockNumber": receipt["blockNumber"],
            "transactionHash": receipt["transactionHash"],
            "transactionIndex": receipt["transactionIndex"],
            "logIndex": hex(len(_logs(spoilt))),
            "removed": False,
        }
    )
    return spoilt


def _wrong_header(_model: ChainModel, strike: Strike, answer: Any) -> Any:
    if not isinstance(answer, dict):
        return UNCHANGED
    if strike.random.random() < 1 / 2:
        return answer | {"timestamp": hex(int(answer["timestamp"], 16) + 3600)}
    return answer | {strike.random.choice(_ROOTS): to_hex(strike.random.randbytes(32))}


def _duplicate_log_index(_model: ChainModel, strike: Strike, answer: Any) -> Any:
    spoilt = copy.deepcopy(answer)
    logs = [log for log in _logs(spoilt) if "logIndex" in log]
    if len(logs) < 2:  # noqa: PLR2004 - it takes two to have the same
        return UNCHANGED
    at = strike.random.randrange(1, len(logs))
    logs[at]["logIndex"] = logs[at - 1]["logIndex"]
    return spoilt


def _missing_log_index(_model: ChainModel, strike: Strike, answer: Any) -> Any:
    spoilt = copy.deepcopy(answer)
    logs = [log for log in _logs(spoilt) if "logIndex" in log]
    if not logs:
        return UNCHANGED
    at = strike.random.randrange(len(logs))
    if strike.random.random() < 1 / 2:
        del logs[at]["logIndex"]
    else:
        for log in logs[at:]:
            log["logIndex"] = hex(int(log["logIndex"], 16) + 1)
    return spoilt


def _removed_log(_model: ChainModel, strike: Strike, answer: Any) -> Any:
    spoilt = copy.deepcopy(answer)
    logs = _logs(spoilt)
    if not logs:
        return UNCHANGED
    strike.random.choice(logs)["removed"] = True
    return spoilt


def _wrong_transaction_hash(_model: ChainModel, strike: Strike, answer: Any) -> Any:
    other = to_hex(strike.random.randbytes(32))
    spoilt = copy.deepcopy(answer)
    if isinstance(spoilt, dict):
        transactions = [item for item in spoilt.get("transactions", ()) if isinstance(item, dict)]
        if not transactions:
            return UNCHANGED
        strike.random.choice(transactions)["hash"] = other
        return spoilt
    if not isinstance(spoilt, list) or not spoilt:
        return UNCHANGED
    receipt = strike.random.choice(spoilt)
    receipt["transactionHash"] = other
    for log in receipt.get("logs", ()):
        log["transactionHash"] = other
    return spoilt


def _wrong_chain_id(_model: ChainModel, _strike: Strike, answer: Any) -> Any:
    is_hex = answer.startswith("0x")
    wrong = int(answer, 0) + 1
    return hex(wrong) if is_hex else str(wrong)


def _reorg_now(model: ChainModel, strike: Strike, _answer: Any) -> Any:
    """Let the chain change behind the asker's back; the answer itself stays as it was."""
    depth = min(strike.amount, model.head.number - model.finalized.number)
    if depth < 1:
        return UNCHANGED
    doomed = [model.at(model.head.number - back) for back in range(depth - 1, -1, -1)]
    model.reorg(depth, [block.drafts for block in doomed if block is not None] + [()])
    return _answer


TAMPERINGS: dict[str, Tamper] = {
    "getlogs_omits_log": _omit_log,
    "unknown_hash_empty": _empty,
    "head_before_receipts": _null,
    "receipts_of_another_block": _receipts_of_another_block,
    "another_block": _another_block,
    "truncated_results": _truncate,
    "receipts_wrong": _wrong_receipt,
    "forged_transfer": _forged_transfer,
    "wrong_header": _wrong_header,
    "duplicate_log_index": _duplicate_log_index,
    "missing_log_index": _missing_log_index,
    "removed_log": _removed_log,
    "wrong_transaction_hash": _wrong_transaction_hash,
    "wrong_chain_id": _wrong_chain_id,
    "reorg_during_fetch": _reorg_now,
}


def _logs(answer: Any) -> list[dict[str, Any]]:
    """The logs inside receipts, or an answer of eth_getLogs itself; changes go through."""
    if not isinstance(answer, list):
        return []
    return [log for item in answer for log in item.get("logs", [item])]


def _block_of(model: ChainModel, receipts: Any) -> ModelBlock | None:
    if not isinstance(receipts, list) or not receipts:
        return None
    return model.blocks.get(bytes.fromhex(receipts[0]["blockHash"][2:]))
