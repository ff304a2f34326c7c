"""Reads a source's journal by itself, from the description in src/journal/codec.hpp: a second opinion on what the program
makes of its own file."""

import struct
from dataclasses import dataclass, field

HEADER = b"EDDYJNL1"
STATES = ("completed", "failed", "dropped")
COUNTS, LIFE, RESERVED, CAPTURED, MISSED, ADMITTED, SETTLED = range(7)


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@dataclass
class Stream:
    """What a journal says of one stream. A number is used once, so it tells the frame."""

    name: str
    before: dict  # sums over frames that the file does not tell one by one
    below: int
    captured: dict = field(default_factory=dict)  # number: life
    settled: dict = field(default_factory=dict)  # number: state
    missed: int = 0

    def open(self):
        return {k: life for k, life in self.captured.items() if k not in self.settled}


@dataclass
class Journal:
    life: int = 0  # of the process that wrote it last
    streams: dict = field(default_factory=dict)  # by name
    problems: list = field(default_factory=list)


def _records(data, problems):
    """(kind, payload) up to the first record that is not whole."""
    if data[:8] != HEADER:
        problems.append("it does not begin as a journal")
        return
    at = 8
    while at < len(data):
        size = struct.unpack_from("<H", data, at)[0] if at + 3 <= len(data) else len(data)
        record = data[at:at + 3 + size + 4]
        if len(record) < 3 + size + 4:
            problems.append("its last record is torn")
            return
        if crc32c(record[:-4]) != struct.unpack("<I", record[-4:])[0]:
            problems.append(f"the record at byte {at} is damaged")
            return
        yield record[2], record[3:-4]
        at += len(record)


def read_journal(data):
    journal, numbered = Journal(), {}
    for kind, payload in _records(data, journal.problems):
        if kind == LIFE:
            journal.life = struct.unpack("<Q", payload)[0]
            continue
        stream = struct.unpack_from("<H", payload)[0]
        if kind == COUNTS:
            below, *sums = struct.unpack_from("<6Q", payload, 2)
            name = payload[50:].decode()
            numbered[stream] = journal.streams[name] = Stream(
                name, dict(zip(("captured", "admitted", *STATES), sums)), below)
        elif wrong := _apply(numbered[stream], kind, journal.life, payload):
            journal.problems.append(f"{numbered[stream].name}: {wrong}")
    return journal


def _apply(stream, kind, life, payload):
    """What is wrong with the entry, or nothing."""
    number = struct.unpack_from("<Q", payload, 2)[0]
    if kind == RESERVED:
        stream.below = number
    elif kind == MISSED:
        stream.missed += number
    elif kind == CAPTURED:
        if number in stream.captured:
            return f"number {number} was used twice"
        if number >= stream.below:
            return f"number {number} was used and not reserved"
        stream.captured[number] = life
    elif number not in stream.captured:
        return f"there is no frame {number} that could be admitted or settled"
    elif kind == SETTLED:
        if number in stream.settled:
            return f"frame {number} was settled twice"
        stream.settled[number] = STATES[payload[10]]
    return None
