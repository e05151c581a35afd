"""Messages as bytes that no usual writer writes, though every parser must read them alike."""

from __future__ import annotations

import random
import struct
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
TEXTS = [b"", b"a", b"score", "Žižkov €𝄞".encode(), b"\0", b"\xff", b"\xc0\x80", b"\xed\xa0\x80"]
NUMBERS = [0, 1, 5, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1]
_FORMATS = {FieldDescriptor.TYPE_FLOAT: "<f", FieldDescriptor.TYPE_DOUBLE: "<d"}


def varint(value: int, size: int = 0) -> bytes:
    """A number, in so many bytes at least: more than it needs is allowed."""
    out = []
    while value >= 0x80 or len(out) + 1 < size:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def tag(number: int, wire_type: int, size: int = 0) -> bytes:
    """A field's number and wire type."""
    return varint(number << 3 | wire_type, size)


def delimited(number: int, content: bytes) -> bytes:
    """A field of a length and so many bytes."""
    return tag(number, BYTES) + varint(len(content)) + content


def unknown_field(rng: random.Random, depth: int = 0) -> bytes:
    """A field that no message of ours has, of any wire type."""
    number, wire_type = rng.choice([19, 99, 2**29 - 1]), rng.choice([0, 1, 2, 3, 5])
    if wire_type == VARINT:
        return tag(number, VARINT) + varint(rng.choice(NUMBERS), rng.choice([0, 0, 10]))
    if wire_type == GROUP:
        inside = b"".join(unknown_field(rng, depth + 1) for _ in range(rng.randint(0, 2 - depth)))
        return tag(number, GROUP) + inside + tag(number, END_GROUP)
    if wire_type == BYTES:
        return delimited(number, rng.randbytes(rng.randint(0, 9)))
    return tag(number, wire_type) + rng.randbytes(8 if wire_type == FIXED64 else 4)


def rewritten(rng: random.Random, message: Message) -> bytes:
    """The same message in other bytes: order, packing, lengths, unknown and overruled fields."""
    pieces = [
        (field.number, _field_pieces(rng, field, value)) for field, value in message.ListFields()
    ]
    queues = [list(content) for _, content in pieces]
    out = []
    while any(queues):  # fields in any order, the elements of one in theirs
        queue = rng.choice([queue for queue in queues if queue])
        out.append(queue.pop(0))
        if rng.random() < 0.15:
            out.append(unknown_field(rng))
    return b"".join(out)


def drawn(rng: random.Random, descriptor: Descriptor) -> bytes:
    """Some fields of a message, or what could be mistaken for them."""
    out = []
    for _ in range(rng.randint(0, 7)):
        chance = rng.random()
        if chance < 0.06:
            out.append(unknown_field(rng))
        elif chance < 0.1:
            wire_type = rng.randrange(8)
            out.append(tag(rng.randrange(18), wire_type) + rng.randbytes(rng.randint(0, 9)))
        else:
            out.append(_drawn_field(rng, rng.choice(descriptor.fields)))
    return b"".join(out)


def _field_pieces(rng: random.Random, field: FieldDescriptor, value: Any) -> list[bytes]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entries = [
            (delimited(1, key.encode()), tag(2, FIXED64) + struct.pack("<d", number))
            for key, number in value.items()
        ]
        overruled = delimited(field.number, entries[0][0] + tag(2, FIXED64) + b"\0" * 8)
        return [overruled] + [
            delimited(field.number, b"".join(rng.sample(entry, 2))) for entry in entries
        ]
    if field.message_type is not None:
        if field.is_repeated:
            return [delimited(field.number, rewritten(rng, each)) for each in value]
        whole = rewritten(rng, value)
        return [delimited(field.number, unknown_field(rng)), delimited(field.number, whole)]
    if field.is_repeated and field.type != FieldDescriptor.TYPE_STRING:
        return _number_pieces(rng, field, [_number(rng, field, each) for each in value])
    if field.is_repeated:
        return [_scalar(rng, field, each) for each in value]
    once = _scalar(rng, field, value)
    return [once, once] if rng.random() < 0.2 else [once]


def _number_pieces(rng: random.Random, field: FieldDescriptor, numbers: list[bytes]) -> list[bytes]:
    """Packed, alone, or both in turn."""
    wire_type = FIXED32 if field.type == FieldDescriptor.TYPE_FLOAT else VARINT
    cut = rng.randint(0, len(numbers))
    alone = [tag(field.number, wire_type) + number for number in numbers[:cut]]
    return [*alone, delimited(field.number, b"".join(numbers[cut:]))]


def _scalar(rng: random.Random, field: FieldDescriptor, value: Any) -> bytes:
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return delimited(field.number, value.encode() if isinstance(value, str) else value)
    wire_type = FIXED64 if field.type == FieldDescriptor.TYPE_DOUBLE else VARINT
    return tag(field.number, wire_type, rng.choice([0, 0, 5])) + _number(rng, field, value)


def _number(rng: random.Random, field: FieldDescriptor, value: Any) -> bytes:
    if field.type in _FORMATS:
        return struct.pack(_FORMATS[field.type], value)
    bits = int(value) % 2**64
    if field.type == FieldDescriptor.TYPE_INT32 and rng.random() < 0.2:
        bits |= rng.getrandbits(32) << 32  # an int32 is the lower half
    return varint(bits, rng.choice([0, 0, 10]))


def _drawn_field(rng: random.Random, field: FieldDescriptor) -> bytes:
    if field.message_type is not None:
        return delimited(field.number, drawn(rng, field.message_type))
    if field.type == FieldDescriptor.TYPE_STRING:
        return delimited(field.number, rng.choice(TEXTS))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return delimited(field.number, rng.randbytes(rng.choice([0, 4, 8, 7, 64])))
    if field.type in _FORMATS:
        size = struct.calcsize(_FORMATS[field.type])
        if field.is_repeated and rng.random() < 0.5:
            return delimited(field.number, rng.randbytes(rng.choice([size, 2 * size, 5])))
        return tag(field.number, FIXED32 if size == 4 else FIXED64) + rng.randbytes(size)
    numbers = [varint(rng.choice(NUMBERS), rng.choice([0, 10])) for _ in range(rng.randint(0, 3))]
    if field.is_repeated and rng.random() < 0.5:
        return delimited(field.number, b"".join(numbers))
    return tag(field.number, VARINT) + varint(rng.choice(NUMBERS))
