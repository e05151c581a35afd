"""Do finished slates keep the rules? Judged from the answer alone, in plain Python.

Knows neither the kernels nor the reference: it looks at a slate as a reader of the promises would.
Every finding is a sentence; no findings means that the slate is in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tests.ops.cases import DecodeCase

SPACING, QUOTAS = 1, 2


@dataclass(frozen=True)
class RequestRules:
    """One request in plain lists; letters as everywhere: M candidates, N slots, K keys, Q flags."""

    real: list[bool]  # [M]
    flags: list[list[bool]]  # [M][Q]
    groups: list[list[int]]  # [M][K]
    pins: list[int]  # [N]
    dedup_keys: list[int]  # [M]
    spacing: list[list[int]]  # [K][2]
    quotas: list[list[int]]  # [Q][2]
    slots: int

    @property
    def has_spacing(self) -> bool:
        return any(window > 0 for window, _ in self.spacing)

    @property
    def has_quotas(self) -> bool:
        return any(least > 0 or most >= 0 for least, most in self.quotas)

    def known_at(self, slate: list[int], slot: int) -> list[int]:
        """The slate when `slot` is about to be filled: what was chosen, and the pins to come."""
        return [*slate[:slot], -1, *self.pins[slot + 1 :]]

    def is_free(self, candidate: int, slate: list[int], slot: int) -> bool:
        """No pin, padding or dedup rule keeps the candidate from the slot."""
        placed = [m for m in [*slate[:slot], *self.pins] if m >= 0]
        keys = {self.dedup_keys[m] for m in placed} - {-1}
        return (
            self.real[candidate]
            and candidate not in placed
            and self.dedup_keys[candidate] not in keys
        )

    def keeps_spacing(self, candidate: int, slate: list[int], slot: int) -> bool:
        """No group of the candidate is too often in a window with the slot."""
        tentative = self.known_at(slate, slot)
        tentative[slot] = candidate
        return not any(slot in window for window in self.crowded(tentative, candidate))

    def crowded(self, slate: list[int], candidate: int) -> list[range]:
        """Windows of the slate that hold more of a group of the candidate than its cap."""
        found = []
        for key, (window, cap) in enumerate(self.spacing):
            group = self.groups[candidate][key]
            if window <= 0 or group < 0:
                continue
            member = [m >= 0 and self.groups[m][key] == group for m in slate]
            for start in range(max(1, len(slate) - window + 1)):
                places = range(start, min(start + window, len(slate)))
                if sum(member[n] for n in places) > cap:
                    found.append(places)
        return found

    def delivered(self, flag: int, slate: list[int], slot: int) -> int:
        """Members of a flag when `slot` is about to be filled, the pins to come included."""
        return sum(m >= 0 and self.flags[m][flag] for m in self.known_at(slate, slot))

    def free_slots(self, slot: int) -> int:
        """Slots from `slot` on that no pin has."""
        return sum(pin < 0 for pin in self.pins[slot : self.slots])

    def deliverable(self, slate: list[int], slot: int) -> int:
        """Free slots that there is a candidate for: of a dedup key, one takes part."""
        left = [m for m in range(len(self.real)) if self.is_free(m, slate, slot)]
        keys = {self.dedup_keys[m] for m in left} - {-1}
        alone = sum(self.dedup_keys[m] == -1 for m in left)
        return min(self.free_slots(slot), alone + len(keys))

    def keeps_quotas(self, candidate: int, slate: list[int], slot: int) -> bool:
        """The choice exceeds no maximum, and takes no slot that is owed to a minimum."""
        for flag, (least, most) in enumerate(self.quotas):
            delivered = self.delivered(flag, slate, slot)
            if self.flags[candidate][flag]:
                if 0 <= most <= delivered:
                    return False
            elif least - delivered >= max(1, self.deliverable(slate, slot)):
                return False
        return True

    def reaches_minima(self, slate: list[int], slot: int) -> bool:
        """The slots and candidates left are enough for what every minimum still lacks."""
        return all(
            least - self.delivered(flag, slate, slot) <= self.deliverable(slate, slot)
            for flag, (least, _) in enumerate(self.quotas)
        )


def findings(case: DecodeCase, slates: Tensor, relaxed: Tensor) -> list[str]:
    """What is wrong with the slates of a case.

    Args:
        case: The requests.
        slates: [B, G, N] int64.
        relaxed: [B, G, N] int64.
    """
    found = []
    for b, rules in enumerate(requests_of(case)):
        for g in range(slates.shape[1]):
            slate, bits = slates[b, g].tolist(), relaxed[b, g].tolist()
            place = f"request {b} slate {g}: "
            found += [place + finding for finding in slate_findings(rules, slate, bits)]
    return found


def requests_of(case: DecodeCase) -> list[RequestRules]:
    """The rules of each request."""
    columns = (
        case.mask, case.flags, case.groups, case.pins,
        case.dedup_keys, case.spacing, case.quotas, case.slots,
    )  # fmt: skip
    return [RequestRules(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def slate_findings(rules: RequestRules, slate: list[int], bits: list[int]) -> list[str]:
    """What is wrong with one slate."""
    found = _hard_findings(rules, slate)
    if found:
        return found  # the rest reads attributes of what is in the slots
    for slot, choice in enumerate(slate):
        if slot >= rules.slots or rules.pins[slot] >= 0 or choice < 0:
            if bits[slot]:
                found.append(f"slot {slot} reports {bits[slot]} where nothing was chosen")
        else:
            found += _choice_findings(rules, slate, slot, bits[slot])
    for slot in range(rules.slots):
        if slate[slot] < 0 and any(rules.is_free(m, slate, slot) for m in range(len(rules.real))):
            found.append(f"slot {slot} is empty while a candidate is left")
    return found + _spacing_findings(rules, slate, bits) + _quota_findings(rules, slate, bits)


def _hard_findings(rules: RequestRules, slate: list[int]) -> list[str]:
    """Pins, padding, dedup, the slate's end: never broken."""
    found = []
    chosen = [m for m in slate if m >= 0]
    if any(not -1 <= m < len(rules.real) for m in slate):
        return [f"{slate} holds a number that is no candidate"]
    if len(set(chosen)) < len(chosen):
        found.append(f"{slate} holds a candidate twice")
    keys = [rules.dedup_keys[m] for m in chosen if rules.dedup_keys[m] != -1]
    if len(set(keys)) < len(keys):
        found.append(f"{slate} holds a dedup key twice: {keys}")
    found += [
        f"padding {m} is in the slate" for m in chosen if not rules.real[m] and m not in rules.pins
    ]
    for slot, (choice, pin) in enumerate(zip(slate, rules.pins, strict=True)):
        if pin >= 0 and choice != pin:
            found.append(f"slot {slot} holds {choice}, not its pin {pin}")
    if any(m >= 0 for m in slate[rules.slots :]):
        found.append(f"{slate} goes on behind its {rules.slots} slots")
    return found


def _choice_findings(rules: RequestRules, slate: list[int], slot: int, bits: int) -> list[str]:
    """What is dropped is reported, and dropped only where no candidate was left."""
    choice, found = slate[slot], []
    left = [m for m in range(len(rules.real)) if rules.is_free(m, slate, slot)]
    in_quotas = [m for m in left if rules.keeps_quotas(m, slate, slot)]
    if not bits & QUOTAS and choice not in in_quotas:
        found.append(f"slot {slot} breaks a quota unreported")
    reaches = rules.reaches_minima(slate, slot)
    if bits & QUOTAS and reaches and in_quotas:
        found.append(f"slot {slot} drops quotas while {in_quotas} would keep them")
    if not bits & QUOTAS and not reaches:
        found.append(f"slot {slot} does not report a minimum that is out of reach")
    if in_quotas and choice not in in_quotas:
        found.append(f"slot {slot} breaks a quota while {in_quotas} would keep it")
    if not bits and not rules.keeps_spacing(choice, slate, slot):
        found.append(f"slot {slot} breaks spacing unreported")
    if bits & SPACING and any(rules.keeps_spacing(m, slate, slot) for m in in_quotas):
        found.append(f"slot {slot} drops spacing while a candidate would keep it")
    if bits & SPACING and not rules.has_spacing:
        found.append(f"slot {slot} reports a spacing that the request has not")
    if bits & QUOTAS and not rules.has_quotas:
        found.append(f"slot {slot} reports quotas that the request has not")
    if not in_quotas and bits & QUOTAS and rules.has_spacing and not bits & SPACING:
        found.append(f"slot {slot} drops quotas before spacing")
    return found


def _spacing_findings(rules: RequestRules, slate: list[int], bits: list[int]) -> list[str]:
    """Finds windows of the finished slate that are crowded beyond what is allowed.

    A crowded window must be all pins, or its last free choice must be reported.
    """
    page, found = slate[: rules.slots], []
    for candidate in {m for m in page if m >= 0}:
        for key, (window, cap) in enumerate(rules.spacing):
            group = rules.groups[candidate][key]
            for start in range(len(page)) if window > 0 and group >= 0 else []:
                places = range(start, min(start + window, len(page)))
                members = [n for n in places if page[n] >= 0]
                members = [n for n in members if rules.groups[page[n]][key] == group]
                free = [n for n in members if rules.pins[n] < 0]
                if len(members) > cap and free and not bits[free[-1]] & SPACING:
                    found.append(f"slots {members} crowd group {group}, unreported")
    return found


def _quota_findings(rules: RequestRules, slate: list[int], bits: list[int]) -> list[str]:
    """Checks that the finished slate has each flag within its range, or a report says why."""
    found = []
    page = slate[: rules.slots]
    silent = not any(bit & QUOTAS for bit in bits)
    # Pins may break a minimum by themselves.
    silent &= any(m >= 0 and pin < 0 for m, pin in zip(page, rules.pins, strict=False))
    for flag, (least, most) in enumerate(rules.quotas):
        places = [n for n, m in enumerate(page) if m >= 0 and rules.flags[m][flag]]
        free = [n for n in places if rules.pins[n] < 0]
        if 0 <= most < len(places) and free and not bits[free[-1]] & QUOTAS:
            found.append(f"flag {flag} is delivered {len(places)} times, over {most}, unreported")
        if silent and len(places) < least:
            found.append(f"flag {flag} is delivered {len(places)} times, under {least}, unreported")
    return found
