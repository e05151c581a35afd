from __future__ import annotations

import torch
from torch import Tensor

from gerank.nn.encoder import DeepSetEncoder


def encoder_and_set(seed: int, candidates: int = 9) -> tuple[DeepSetEncoder, Tensor, Tensor]:
    torch.manual_seed(seed)
    return DeepSetEncoder(5, 3, 8), torch.randn(4, candidates, 5), torch.randn(4, 3)


def test_the_order_of_candidates_moves_their_vectors_and_leaves_the_set(seed: int) -> None:
    encoder, candidates, users = encoder_and_set(seed)
    order = torch.randperm(9)
    mask = torch.ones(4, 9, dtype=torch.bool)
    mask[2, 4:] = False
    items, whole = encoder(candidates, users, mask)
    moved_items, same_whole = encoder(candidates[:, order], users, mask[:, order])
    torch.testing.assert_close(moved_items, items[:, order])
    torch.testing.assert_close(same_whole, whole)


def test_padding_is_zero_and_tells_the_set_nothing(seed: int) -> None:
    encoder, candidates, users = encoder_and_set(seed)
    mask = torch.arange(9) < torch.tensor([[1], [4], [8], [9]])
    items, whole = encoder(candidates, users, mask)
    garbage = torch.where(mask.unsqueeze(-1), candidates, torch.full_like(candidates, 1e3))
    other_items, other_whole = encoder(garbage, users, mask)
    assert not items[~mask].any()
    assert torch.equal(items, other_items)
    assert torch.equal(whole, other_whole)


def test_a_candidates_vector_does_not_see_the_other_candidates(seed: int) -> None:
    encoder, candidates, users = encoder_and_set(seed)
    mask = torch.ones(4, 9, dtype=torch.bool)
    alone, _ = encoder(candidates[:, 3:4], users, mask[:, 3:4])
    together, _ = encoder(candidates, users, mask)
    torch.testing.assert_close(alone[:, 0], together[:, 3])


def test_the_user_changes_every_vector(seed: int) -> None:
    encoder, candidates, users = encoder_and_set(seed)
    mask = torch.ones(4, 9, dtype=torch.bool)
    items, whole = encoder(candidates, users, mask)
    other_items, other_whole = encoder(candidates, users.roll(1, 0), mask)
    assert (items != other_items).any(-1).all()
    assert (whole != other_whole).any(-1).all()


def test_frozen_it_is_the_same_and_forgets_later_changes(seed: int) -> None:
    encoder, candidates, users = encoder_and_set(seed)
    mask = torch.arange(9) < torch.tensor([[0], [4], [8], [9]])
    before = encoder(candidates, users, mask)
    encoder.freeze()
    with torch.no_grad():
        encoder.set_mlp[0].weight.add_(1.0)
        after = encoder(candidates, users, mask)
        torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)
        encoder.frozen = False
        assert not torch.allclose(encoder(candidates, users, mask)[1], after[1])


def test_an_empty_set_gives_finite_vectors() -> None:
    encoder, candidates, users = encoder_and_set(0)
    items, whole = encoder(candidates, users, torch.zeros(4, 9, dtype=torch.bool))
    assert not items.any()
    assert whole.isfinite().all()
