"""What stands above a page: a training batch decodes and scores it as it is served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import gerank
from gerank.data.batch import RerankBatch, SlotsAbove
from gerank.data.collate_requests import collate_requests
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.log_requests import request_document
from gerank.data.pinned_above import (
    below_above,
    count_above,
    own_slots,
    parted,
    pin_above,
    rows_of,
)
from gerank.data.request_check import parse_request
from gerank.export.artifact import write_artifact
from gerank.nn.generator import Encoded, Generator, GeneratorShape
from gerank.train.pages import as_requests
from tests.data.above_cases import feed_document
from tests.data.exposure_logs import random_log
from tests.data.request_cases import CONTRACT, MAX_SLOTS, Document
from tests.nn.batches import doubled, random_generator

REQUESTS = 200
IDS = [feature.name for feature in CONTRACT.schema.candidate_ids]
FLAGS = CONTRACT.schema.flag_columns


def told_above(documents: list[Document]) -> SlotsAbove:
    """`above` of JSON requests; a key is told by the last candidate that has it."""
    reach = max(len(document["above"]) for document in documents)
    ids = torch.zeros(len(documents), reach, len(IDS), dtype=torch.int64)
    mask = torch.zeros(len(documents), reach, dtype=torch.bool)
    keys = torch.full(mask.shape, -1)
    for row, document in enumerate(documents):
        named = {c.get("dedup_key"): m for m, c in enumerate(document["candidates"])}
        first = reach - len(document["above"])
        for place, slot in enumerate(document["above"], start=first):
            ids[row, place] = torch.tensor([slot[name] for name in IDS])
            mask[row, place] = True
            if "dedup_key" in slot:
                keys[row, place] = named[slot["dedup_key"]]
    return SlotsAbove(ids, mask, keys)


def both_batches(seed: int) -> tuple[RerankBatch, RerankBatch]:
    """The same requests with rules: as the engine pads what stands above, and as training does."""
    rng = np.random.default_rng(seed)
    documents = [feed_document(rng, CONTRACT) for _ in range(REQUESTS)]
    requests = [parse_request(document, CONTRACT) for document in documents]
    alone = collate_requests([replace(request, above=None) for request in requests], CONTRACT)
    return collate_requests(requests, CONTRACT), pin_above(alone, told_above(documents), FLAGS)


def test_the_slates_are_those_of_the_batch_that_the_engine_makes(seed: int) -> None:
    served, trained = both_batches(seed)
    assert torch.equal(count_above(served), count_above(trained))
    assert torch.equal(served.quotas, trained.quotas) and torch.equal(served.slots, trained.slots)
    generator = random_generator(seed, controllable=True).double()
    with torch.inference_mode():
        theirs, ours = generator(*doubled(served)), generator(*doubled(trained))
    counts = count_above(served)
    assert (counts > 0).sum() > REQUESTS / 2 and (counts == 0).any()
    for row, (count, asked) in enumerate(zip(counts, served.slots, strict=True)):
        own = slice(int(count), int(asked))
        assert theirs.slates[row, own].tolist() == ours.slates[row, own].tolist()
        torch.testing.assert_close(theirs.log_prob[row, own], ours.log_prob[row, own])
        assert theirs.relaxed[row, own].tolist() == ours.relaxed[row, own].tolist()


def test_a_logged_page_gets_the_slate_that_its_request_is_served(tmp_path: Path, seed: int) -> None:
    log = random_log(seed, 150, feeds=True)
    contract = RequestContract(log.schema, 20, 6, {"clicks": WeightRange(1.0, 1.0, 1.0)})
    torch.manual_seed(seed)
    generator = Generator(log.schema, GeneratorShape(16, 12, 3)).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    write_artifact(generator, contract, tmp_path / "model.gerank", name="feed", training={})
    spacing = torch.tensor([[3, 1]])
    batch = as_requests(log.batch(np.arange(150)), torch.ones(150, 1), log.schema, slots=6)
    batch = batch._replace(spacing=spacing.expand(150, 1, 2).contiguous())
    with torch.inference_mode():
        slates = generator.page_slates(batch)
    rule = {"spacing": [{"group": "seller", "window": 3, "cap": 1}], "slots": 6}
    documents = [request_document(log, row) | rule for row in range(150)]
    served = gerank.load(tmp_path / "model.gerank").rank(documents)
    differ = 0
    for slate, answer in zip(slates.tolist(), served, strict=True):
        ours = [(n, m) for n, m in enumerate(slate) if m >= 0]
        differ += ours != list(zip(answer.slots, answer.candidates, strict=True))
    assert differ <= 1  # a near tie of two logits
    alone = [{k: v for k, v in document.items() if k != "above"} for document in documents]
    changed = gerank.load(tmp_path / "model.gerank").rank(alone)
    assert sum(a.candidates != b.candidates for a, b in zip(served, changed, strict=True)) > 20


def test_parts_of_a_batch_score_as_the_batch_does(seed: int) -> None:
    """In some parts less stands above a page than elsewhere in the batch, and in some nothing."""
    batch = doubled(both_batches(seed)[1])
    order = count_above(batch).argsort()
    batch = RerankBatch(*(column[order] for column in batch))
    generator = random_generator(seed, controllable=True).double()
    with torch.inference_mode():
        slates = generator.page_slates(batch).unsqueeze(1)
        whole = generator.slate_log_prob(generator.encode_batch(batch), batch, slates)
        for part in torch.arange(REQUESTS).split(REQUESTS // 7):
            bounds = int(part[0]), int(part[-1]) + 1
            some = rows_of(batch, *bounds)
            found = generator.slate_log_prob(generator.encode_batch(some), some, slates[part])
            for ours, theirs in zip(found, whole, strict=True):
                torch.testing.assert_close(ours, theirs[part])
    assert count_above(rows_of(batch, 0, REQUESTS // 7)).max() < count_above(batch).max()


def decoded(
    generator: Generator, encoded: Encoded, batch: RerankBatch, slates: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of all slots, those above included."""
    whole: tuple[Tensor, Tensor] = torch.ops.gerank.slate_log_prob(
        *encoded, *batch.rules, below_above(batch, slates), generator.context_window
    )
    return whole


def test_slots_above_have_neither_log_prob_nor_gradient(seed: int) -> None:
    _, batch = both_batches(seed)
    batch = doubled(batch)._replace(greedy=torch.zeros(REQUESTS, dtype=torch.bool))
    generator = random_generator(seed, controllable=True).double()
    slates = generator.rollout(generator.encode_batch(batch), batch, 3)
    assert slates.shape == (REQUESTS, 3, MAX_SLOTS)
    whole, _ = decoded(generator, generator.encode_batch(batch), batch, slates)
    is_above = torch.arange(batch.pins.size(1)) < count_above(batch).unsqueeze(1)
    assert not whole.masked_select(is_above.unsqueeze(1)).any()
    encoded = generator.encode_batch(batch)
    log_prob, entropy = generator.slate_log_prob(encoded, batch, slates)
    assert log_prob.isfinite().all()
    assert log_prob.shape == entropy.shape == slates.shape
    torch.testing.assert_close(log_prob.sum(), whole.sum())
    encoded.candidates.retain_grad()
    (log_prob.sum() + entropy.sum()).backward()
    gradient = encoded.candidates.grad
    encoded = generator.encode_batch(batch)
    encoded.candidates.retain_grad()
    by_hand = decoded(generator, encoded, batch, slates)
    torch.stack(by_hand).masked_fill(is_above.unsqueeze(1), 0.0).sum().backward()
    assert gradient is not None and torch.equal(gradient, encoded.candidates.grad)


def test_own_slots_and_what_is_put_below_undo_each_other(seed: int) -> None:
    _, batch = both_batches(seed)
    slates = torch.randint(-1, 3, (REQUESTS, 2, MAX_SLOTS))
    below = below_above(batch, slates)
    assert below.shape == (REQUESTS, 2, batch.pins.size(1))
    assert torch.equal(own_slots(batch, below), slates)


def test_one_request_is_parted_from_what_stands_above(seed: int) -> None:
    log = random_log(seed, feeds=True)
    for row in range(len(log)):
        pages = log.batch(np.array([row]))
        batch = as_requests(pages, torch.ones(1, 1), log.schema, slots=3)
        features, above = parted(batch)
        assert all(map(torch.equal, features, pages.features))
        assert torch.equal(above.above_ids, pages.above_ids)
        assert torch.equal(above.above_mask, pages.above_mask)


def test_nothing_above_changes_nothing() -> None:
    log = random_log(1)
    page = log.batch(np.arange(12))
    batch = as_requests(page, torch.ones(12, 1), log.schema, slots=3)
    assert batch.candidate_mask.shape == page.candidate_mask.shape and batch.pins.shape == (12, 3)
    assert pin_above(batch, page.above, log.schema.flag_columns) is batch
    empty = SlotsAbove(page.candidate_ids, page.candidate_mask & False, page.candidate_ids[..., 0])
    assert pin_above(batch, empty, log.schema.flag_columns) is batch
    assert (
        own_slots(batch, batch.pins) is batch.pins
        and below_above(batch, page.slates) is page.slates
    )


def test_an_item_that_the_page_showed_again_may_come_again() -> None:
    log = random_log(3, 60, feeds=True)
    page = log.batch(np.arange(60))
    batch = as_requests(page, torch.ones(60, 1), log.schema, slots=page.slates.size(1))
    torch.manual_seed(0)
    generator = Generator(log.schema, GeneratorShape(8, 8, 2))
    log_prob, _ = generator.slate_log_prob(
        generator.encode_batch(batch), batch, page.slates.unsqueeze(1)
    )
    assert log_prob.isfinite().all()
    assert log.above is not None
    slots = np.repeat(np.arange(60), np.diff(log.above.offsets))
    shown = page.slates[slots] == torch.from_numpy(log.above.dedup_keys).unsqueeze(1)
    again = shown.any(1) & torch.from_numpy(log.above.dedup_keys >= 0)
    assert again.any() and not again.all()
    free = batch._replace(greedy=torch.zeros(60, dtype=torch.bool))
    drawn = generator.rollout(generator.encode_batch(batch), free, 20)
    for row, key, comes_again in zip(slots, log.above.dedup_keys, again.tolist(), strict=True):
        assert comes_again or key < 0 or not (drawn[row] == key).any()
    others = [
        (drawn[row] == key).any()
        for row, key, comes in zip(slots, log.above.dedup_keys, again.tolist(), strict=True)
        if comes
    ]
    assert all(others)


def test_more_slots_than_a_decode_takes_are_refused() -> None:
    log = random_log(1, feeds=True)
    page = log.batch(np.arange(12))
    reach = page.above_mask.size(1)
    rule = rf"above: {reach} slots above a page and 126 on it are more than 128"
    with pytest.raises(ValueError, match=rule):
        as_requests(page, torch.ones(12, 1), log.schema, slots=126)
