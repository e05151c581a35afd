"""Is an answer in order? Judged from request and answer alone, rule by rule.

Every finding is a sentence: a rule that is broken without a word, or a word without its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gerank.data.contract import RequestContract
from tests.data.above_cases import by_rule, unmet_rules
from tests.data.request_cases import Document
from tests.ops.rule_checks import QUOTAS, SPACING, RequestRules, slate_findings

_BITS = {"spacing": SPACING, "quotas": QUOTAS}


def answer_findings(
    document: Document, answer: Mapping[str, Any], contract: RequestContract
) -> list[str]:
    """What is wrong with an answer."""
    plain = _plain(document, contract)
    found = _echo_findings(document, answer, plain)
    entries = [
        {"slot": entry["slot"], "candidate": entry["candidate"]} for entry in answer["slate"]
    ]
    found += slate_findings(*_as_numbers(plain, answer, contract))
    told, holds = by_rule(answer["unmet"]), by_rule(unmet_rules(plain, {"slate": entries}))
    if told != holds:
        found.append(f"unmet tells {told} where it should tell {holds}")
    return found


def _echo_findings(document: Document, answer: Mapping[str, Any], plain: Document) -> list[str]:
    found = []
    if answer["id"] != document["id"]:
        found.append(f"the answer to {document['id']!r} names {answer['id']!r}")
    if "seed" in answer and answer["seed"] != document.get("seed", 0):
        found.append(f"the seed {document.get('seed')} became {answer['seed']}")
    slots = [entry["slot"] for entry in answer["slate"]]
    if slots != sorted(set(slots)) or not set(slots) <= set(range(plain["slots"])):
        found.append(f"{slots} are no slots of {plain['slots']} in order")
    for entry in answer["slate"]:
        if entry["id"] != document["candidates"][entry["candidate"]]["id"]:
            found.append(f"candidate {entry['candidate']} is not {entry['id']!r}")
        is_pinned = str(entry["slot"]) in plain["pins"]
        if entry["log_prob"] > 0 or (is_pinned and entry["log_prob"] != 0):
            found.append(f"slot {entry['slot']} has the log_prob {entry['log_prob']}")
    return found


def _plain(document: Document, contract: RequestContract) -> Document:
    """The same with every rule said, those of its preset too; groups and flags are numbers."""
    preset = contract.presets.get(document.get("preset", ""), {})
    return {
        "slots": document.get("slots", preset.get("slots", contract.max_slots)),
        "spacing": _merged(preset, document, "spacing", "group"),
        "quotas": _merged(preset, document, "quotas", "flag"),
        "pins": {slot: str(pinned) for slot, pinned in document.get("pins", {}).items()},
        "candidates": [
            _numbered(entry, contract) | {"id": str(entry["id"])}
            for entry in document["candidates"]
        ],
        "above": [_numbered(entry, contract) for entry in document.get("above", ())],
    }


def _merged(preset: Mapping[str, Any], document: Document, rules: str, key: str) -> list[Document]:
    """What a request says goes before what its preset says of the same group key or flag."""
    said = [*preset.get(rules, ()), *document.get(rules, ())]
    return list({rule[key]: rule for rule in said}.values())


def _numbered(entry: Document, contract: RequestContract) -> Document:
    numbers = {f.name: f.encode(entry[f.name]) for f in contract.schema.above}
    key = entry.get("dedup_key")
    return numbers | ({} if key is None else {"dedup_key": str(key)})


def _as_numbers(
    plain: Document, answer: Mapping[str, Any], contract: RequestContract
) -> tuple[RequestRules, list[int], list[int]]:
    """The rules, the slate and what it reports; slots above are pinned ones of no flag."""
    schema, candidates, above = contract.schema, plain["candidates"], plain["above"]
    rows = [*candidates, *above]
    keys: dict[str, int] = {}
    numbers = [_key_number(row, keys) for row in candidates]
    shown: set[int] = set()
    for row in above:
        number = _key_number(row, keys)
        numbers.append(-1 if number in shown else number)  # once is enough to bar it
        shown.add(number)
    spacing = {rule["group"]: [rule["window"], rule["cap"]] for rule in plain["spacing"]}
    quotas = {q["flag"]: [q.get("min", 0), q.get("max", -1)] for q in plain["quotas"]}
    index = {candidate["id"]: m for m, candidate in enumerate(candidates)}
    placed = {entry["slot"]: entry for entry in answer["slate"]}
    told = range(len(candidates), len(rows))
    rules = RequestRules(
        real=[True] * len(candidates) + [False] * len(above),
        flags=[[bool(row[flag]) for flag in schema.flags] for row in candidates]
        + [[False] * len(schema.flags)] * len(above),
        groups=[[row[group] for group in schema.groups] for row in rows],
        pins=[*told, *(index.get(plain["pins"].get(str(n)), -1) for n in range(plain["slots"]))],
        dedup_keys=numbers,
        spacing=[spacing.get(group, [0, 0]) for group in schema.groups],
        quotas=[quotas.get(flag, [0, -1]) for flag in schema.flags],
        slots=len(above) + plain["slots"],
    )
    page = [placed.get(n, {"candidate": -1, "relaxed": ()}) for n in range(plain["slots"])]
    slate = [*told, *(entry["candidate"] for entry in page)]
    return (
        rules,
        slate,
        [0] * len(above) + [sum(_BITS[rule] for rule in entry["relaxed"]) for entry in page],
    )


def _key_number(row: Document, keys: dict[str, int]) -> int:
    return keys.setdefault(row["dedup_key"], len(keys)) if "dedup_key" in row else -1
