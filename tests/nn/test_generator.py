from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gerank.data.batch import RerankBatch, Slates
from gerank.data.schema import hash_id
from gerank.export.artifact import script
from gerank.nn.control import Control
from gerank.nn.generator import Generator
from gerank.rl import reinforce
from tests.data.request_cases import CONTRACT
from tests.nn.batches import (
    SHAPE,
    doubled,
    moved,
    padded,
    permuted,
    random_batch,
    random_generator,
    random_orders,
    row,
    without_gradient,
)

both_kinds = pytest.mark.parametrize("controllable", [False, True])


def answer(generator: Generator, batch: RerankBatch) -> Slates:
    with torch.inference_mode():
        return Slates(*generator(*batch))


def sampled(batch: RerankBatch) -> RerankBatch:
    return batch._replace(greedy=torch.zeros_like(batch.greedy))


@both_kinds
def test_permuting_candidates_permutes_the_greedy_answer(seed: int, controllable: bool) -> None:
    generator = random_generator(seed, controllable=controllable).double()
    batch = doubled(random_batch(seed, requests=60))
    batch = batch._replace(greedy=torch.ones_like(batch.greedy))
    order = random_orders(batch, seed)
    before, after = answer(generator, batch), answer(generator, permuted(batch, order))
    assert torch.equal(after.slates, moved(before.slates, order.argsort(1)))
    assert torch.equal(after.relaxed, before.relaxed)
    torch.testing.assert_close(after.log_prob, before.log_prob)
    assert (after.slates != before.slates).any()


def test_permuting_candidates_leaves_the_probability_of_a_slate(seed: int) -> None:
    generator = random_generator(seed).double()
    batch = sampled(doubled(random_batch(seed)))
    order = random_orders(batch, seed)
    slates = answer(generator, batch).slates
    other = permuted(batch, order)
    moved_slates = moved(slates, order.argsort(1)).unsqueeze(1)
    with torch.no_grad():
        before = generator.slate_log_prob(generator.encode_batch(batch), batch, slates[:, None])
        after = generator.slate_log_prob(generator.encode_batch(other), other, moved_slates)
    torch.testing.assert_close(before, after)


@both_kinds
def test_scripted_equals_eager_to_the_bit(seed: int, controllable: bool) -> None:
    generator = random_generator(seed, controllable=controllable)
    scripted = script(generator)
    for batch in (random_batch(seed), sampled(random_batch(seed + 1))):
        eager, compiled = answer(generator, batch), Slates(*scripted(*batch))
        assert all(map(torch.equal, eager, compiled))


@both_kinds
def test_a_frozen_generator_answers_as_before_and_forgets_later_changes(
    seed: int, controllable: bool
) -> None:
    generator, batch = random_generator(seed, controllable=controllable), random_batch(seed)
    before = answer(generator, batch)
    generator.freeze()
    after = answer(generator, batch)
    assert torch.equal(before.slates, after.slates) and torch.equal(before.relaxed, after.relaxed)
    torch.testing.assert_close(before.log_prob, after.log_prob, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        generator.decoder.w_candidate.add_(1.0)
        generator.encoder.user_side.weight.add_(1.0)
    assert all(map(torch.equal, after, answer(generator, batch)))
    generator.paged = generator.decoder.frozen = False
    assert not torch.equal(before.log_prob, answer(generator, batch).log_prob)


def test_one_seed_gives_one_slate_in_any_company(seed: int) -> None:
    generator = random_generator(seed).double()
    batch = sampled(doubled(random_batch(seed)))
    together = answer(generator, batch)
    for index in range(len(batch.slots)):
        alone = answer(generator, row(batch, index))
        assert torch.equal(alone.slates[0], together.slates[index])


def test_other_seeds_give_other_slates_and_greedy_ones_the_same(seed: int) -> None:
    generator, batch = random_generator(seed), random_batch(seed)
    other = batch._replace(seeds=batch.seeds + 1)
    before, after = answer(generator, batch), answer(generator, other)
    assert torch.equal(before.slates[batch.greedy], after.slates[batch.greedy])
    assert not torch.equal(before.slates[~batch.greedy], after.slates[~batch.greedy])


def test_a_greedy_answer_has_the_most_probable_first_candidate(seed: int) -> None:
    generator = random_generator(seed)
    batch = random_batch(seed)
    batch = batch._replace(greedy=torch.ones_like(batch.greedy))
    free = batch.pins[:, 0] < 0
    encoded = generator.encode_batch(batch)
    drawn = generator.rollout(encoded, sampled(batch), 30)
    with torch.no_grad():
        log_prob, _ = generator.slate_log_prob(encoded, batch, drawn)
        greedy, _ = generator.slate_log_prob(
            encoded, batch, answer(generator, batch).slates[:, None]
        )
    assert (greedy[free, 0, 0] >= log_prob[free, :, 0].amax(1) - 1e-5).all()


@both_kinds
def test_padding_does_not_change_an_answer(seed: int, controllable: bool) -> None:
    generator = random_generator(seed, controllable=controllable).double()
    narrow = doubled(random_batch(seed))
    left, right = answer(generator, narrow), answer(generator, padded(narrow, 7, 3))
    slots = left.slates.size(1)
    assert torch.equal(left.slates, right.slates[:, :slots])
    assert torch.equal(left.relaxed, right.relaxed[:, :slots])
    torch.testing.assert_close(left.log_prob, right.log_prob[:, :slots])
    assert (right.slates[:, slots:] == -1).all()


def test_weights_matter_when_controllable_and_never_otherwise(seed: int) -> None:
    batch = random_batch(seed)
    other = batch._replace(weights=batch.weights + 1.0)
    deaf, obedient = random_generator(seed), random_generator(seed, controllable=True)
    assert all(map(torch.equal, answer(deaf, batch), answer(deaf, other)))
    assert not torch.equal(answer(obedient, batch).slates, answer(obedient, other).slates)


def test_a_controllable_generator_starts_deaf_to_the_weights(seed: int) -> None:
    torch.manual_seed(seed)
    fresh = Generator(CONTRACT.schema, replace(SHAPE, controllable=True))
    batch = random_batch(seed)
    other = batch._replace(weights=batch.weights + 1.0)
    assert all(map(torch.equal, answer(fresh, batch), answer(fresh, other)))


@pytest.mark.parametrize("control", list(Control))
def test_every_control_heeds_weights_and_scripts_to_the_bit(seed: int, control: Control) -> None:
    shape = replace(SHAPE, controllable=True, control=control, weight_ranges=((0, 2), (0.1, 0.7)))
    torch.manual_seed(seed)
    generator = Generator(CONTRACT.schema, shape).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    batch = sampled(random_batch(seed))
    eager, scripted = answer(generator, batch), Slates(*script(generator)(*batch))
    assert all(map(torch.equal, eager, scripted))
    other = answer(generator, batch._replace(weights=batch.weights + 1.0))
    assert not torch.equal(eager.log_prob, other.log_prob)


@pytest.mark.parametrize("control", list(Control))
def test_gradients_reach_every_parameter_of_every_control(seed: int, control: Control) -> None:
    shape = replace(SHAPE, controllable=True, control=control)
    torch.manual_seed(seed)
    generator = Generator(CONTRACT.schema, shape)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    batch = sampled(random_batch(seed, requests=40))
    encoded = generator.encode_batch(batch)
    slates = generator.rollout(encoded, batch, 2)
    log_prob, _ = generator.slate_log_prob(encoded, batch, slates)
    advantage = torch.randn(slates.shape[:2], generator=torch.Generator().manual_seed(seed))
    reinforce(log_prob, advantage, slates >= 0).backward()
    assert without_gradient(generator) == []


def test_weights_reach_the_control_scaled_to_their_ranges(seed: int) -> None:
    torch.manual_seed(seed)
    ranges = ((0.0, 10.0), (5.0, 5.0))
    wide = Generator(CONTRACT.schema, replace(SHAPE, controllable=True, weight_ranges=ranges))
    plain = Generator(CONTRACT.schema, replace(SHAPE, controllable=True))
    for model in (wide, plain):
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(0.3 * torch.randn_like(parameter))
    batch = random_batch(seed)
    ends = torch.tensor([[0.0, 5.0], [10.0, 5.0]]).repeat(len(batch.slots) // 2, 1)
    scaled = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).repeat(len(batch.slots) // 2, 1)
    left, right = (
        answer(model.eval(), batch._replace(weights=weights))
        for model, weights in ((wide, ends), (plain, scaled))
    )
    assert all(map(torch.equal, left, right))


def test_one_requests_weights_do_not_reach_another_request(seed: int) -> None:
    generator = random_generator(seed, controllable=True).double()
    batch = doubled(random_batch(seed))
    weights = batch.weights.clone()
    weights[0] += 1.0
    before, after = answer(generator, batch), answer(generator, batch._replace(weights=weights))
    assert torch.equal(before.slates[1:], after.slates[1:])
    torch.testing.assert_close(before.log_prob[1:], after.log_prob[1:])


@both_kinds
def test_the_log_prob_of_decoding_is_that_of_teacher_forcing(seed: int, controllable: bool) -> None:
    generator, batch = random_generator(seed, controllable=controllable), random_batch(seed)
    drawn = answer(generator, batch)
    with torch.no_grad():
        encoded = generator.encode_batch(batch)
        log_prob, entropy = generator.slate_log_prob(encoded, batch, drawn.slates.unsqueeze(1))
    torch.testing.assert_close(log_prob.squeeze(1), drawn.log_prob, atol=1e-5, rtol=1e-5)
    assert (entropy >= 0).all()


def test_the_first_rollout_is_the_sampled_answer_and_the_others_differ(seed: int) -> None:
    generator, batch = random_generator(seed), sampled(random_batch(seed))
    drawn = generator.rollout(generator.encode_batch(batch), batch, 4)
    assert drawn.shape == (len(batch.slots), 4, batch.pins.size(1))
    assert torch.equal(drawn[:, 0], answer(generator, batch).slates)
    assert len({tuple(slates.flatten().tolist()) for slates in drawn.unbind(1)}) == 4


@both_kinds
def test_gradients_reach_every_parameter(seed: int, controllable: bool) -> None:
    generator = random_generator(seed, controllable=controllable)
    batch = sampled(random_batch(seed, requests=40))
    encoded = generator.encode_batch(batch)
    slates = generator.rollout(encoded, batch, 2)
    log_prob, _ = generator.slate_log_prob(encoded, batch, slates)
    advantage = torch.randn(slates.shape[:2], generator=torch.Generator().manual_seed(seed))
    reinforce(log_prob, advantage, slates >= 0).backward()
    assert without_gradient(generator) == []


@both_kinds
@pytest.mark.parametrize("local_context", [True, False])
def test_only_a_local_context_tells_a_choice_of_groups_and_flags_above(
    seed: int, controllable: bool, local_context: bool
) -> None:
    generator = random_generator(seed, controllable=controllable, local_context=local_context)
    batch = sampled(random_batch(seed))
    batch = batch._replace(
        spacing=torch.zeros_like(batch.spacing),
        quotas=torch.tensor([0, -1]).expand_as(batch.quotas),
    )
    with torch.no_grad():
        encoded = generator.encode_batch(batch)
        slates = generator.rollout(encoded, batch, 2)
        others = encoded._replace(flags=~encoded.flags, groups=torch.zeros_like(encoded.groups))
        before, after = (
            generator.slate_log_prob(each, batch, slates)[0] for each in (encoded, others)
        )
    assert torch.equal(before, after) is not local_context
    assert torch.equal(before[..., 0], after[..., 0])  # nothing stands above the first slot


@both_kinds
def test_a_frozen_generator_without_local_context_answers_as_before(
    seed: int, controllable: bool
) -> None:
    generator = random_generator(seed, controllable=controllable, local_context=False)
    batch = random_batch(seed)
    before = answer(generator, batch)
    generator.freeze()
    after = answer(generator, batch)
    assert generator.paged and torch.equal(before.slates, after.slates)
    torch.testing.assert_close(before.log_prob, after.log_prob, atol=1e-4, rtol=1e-4)


def test_spacing_holds_for_groups_that_are_hashed_strings() -> None:
    """To the ops a negative group is none, so no hash may be negative."""
    batch = row(random_batch(0), 0)
    sellers = torch.tensor([hash_id(f"seller {index % 6}") for index in range(12)])
    ids = batch.candidate_ids.clone()
    ids[..., 0] = sellers
    batch = batch._replace(
        candidate_ids=ids,
        candidate_mask=torch.ones_like(batch.candidate_mask),
        pins=torch.full_like(batch.pins, -1),
        dedup_keys=torch.full_like(batch.dedup_keys, -1),
        spacing=torch.tensor([[[6, 1], [0, 0]]]),
        quotas=torch.tensor([[[0, -1], [0, -1]]]),
        slots=torch.tensor([6]),
    )
    for seed in range(20):
        found = answer(random_generator(seed), batch)
        assert sorted(sellers[found.slates[0]].tolist()) == sorted(sellers[:6].tolist())
        assert not found.relaxed.any()


def test_answers_keep_pins_and_never_repeat_or_choose_padding(seed: int) -> None:
    batch = random_batch(seed, requests=60)
    slates = answer(random_generator(seed), batch).slates
    assert torch.equal(slates[batch.pins >= 0], batch.pins[batch.pins >= 0])
    for b, slate in enumerate(slates.tolist()):
        chosen = [candidate for candidate in slate if candidate >= 0]
        assert len(set(chosen)) == len(chosen) > 0
        assert all(batch.candidate_mask[b, candidate] for candidate in chosen)
        assert slate[batch.slots[b] :] == [-1] * (len(slate) - int(batch.slots[b]))
