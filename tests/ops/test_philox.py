"""The random numbers are the published ones, and every candidate, slot and slate has its own."""

from __future__ import annotations

import pytest
import torch

from gerank.reference.philox import philox4x32, uniforms

# The known-answer vectors that Random123 publishes for philox4x32-10 (its file kat_vectors).
PUBLISHED = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def words(text: str) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor(int(word, 16)) for word in text.split())


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_philox_gives_the_published_answers(counter: str, key: str, expected: str) -> None:
    answer = philox4x32(words(counter), words(key))
    assert " ".join(f"{int(word):08x}" for word in answer) == expected


def test_uniforms_take_key_and_counter_where_the_design_says() -> None:
    seed, slot, slate = 0x299F31D0A4093822, 0x85A308D3, 0x13198A2E  # key low word first
    drawn = uniforms(torch.tensor([seed]), 11, slot, slate)[0]
    for m in range(11):
        counter = words(f"{m // 4:x} {slot:x} {slate:x} 0")
        word = philox4x32(counter, words("a4093822 299f31d0"))[m % 4]
        assert drawn[m] == (int(word) // 256 + 0.5) / 2**24


def test_negative_seeds_give_their_64_bits() -> None:
    low, high = words("fffffffe ffffffff")
    zero = torch.tensor(0)
    expected = philox4x32((zero, zero, zero, zero), (low, high))[0]
    assert uniforms(torch.tensor([-2]), 1, 0, 0).item() == (int(expected) // 256 + 0.5) / 2**24


def test_uniforms_are_strictly_inside_zero_and_one(seed: int) -> None:
    drawn = uniforms(torch.arange(seed, seed + 2000), 512, 3, 1)
    assert drawn.min() > 0 and drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.002  # 7 standard deviations


def test_every_seed_candidate_slot_and_slate_has_its_own_number(seed: int) -> None:
    drawn = torch.stack(
        [uniforms(torch.tensor([seed, -seed - 1]), 16, slot, g) for slot in (0, 1) for g in (0, 1)]
    )
    assert len(drawn.unique()) >= drawn.numel() - 1  # one chance meeting in 2^24 is no defect
