"""Does to a real GeoLite2-City what its makers and disks once did: `damage_mmdb.py IN DAMAGE OUT`.

Bytes are changed where they stand: every file but one is as long as the sound one. Nothing but Python is needed.
"""

import itertools
import sys

MARKER = b"\xab\xcd\xefMaxMind.com"
STRING, MAP, POINTER = 2, 7, 1
SEPARATOR = 16


class Database:
    """A database of 28-bit records, two to a node of seven bytes."""

    def __init__(self, data):
        self.data = bytearray(data)
        metadata = data.rindex(MARKER)
        self.nodes = int.from_bytes(self.value(metadata, b"Jnode_count"), "big")
        if self.value(metadata, b"Krecord_size") != b"\x1c":
            sys.exit("expected records of 28 bits")
        self.tree = self.nodes * 7
        self.base = self.tree + SEPARATOR
        self.end = metadata

    def value(self, start, key):
        """The bytes of a number of the metadata."""
        at = self.data.index(key, start) + len(key)
        size = self.data[at] & 0x1F
        return bytes(self.data[at + 1 : at + 1 + size])

    def edges(self):
        """Each record that leads to data: its node, its side, and the data's offset."""
        for node in range(self.nodes):
            at = node * 7
            middle = self.data[at + 3]
            left = (middle >> 4) << 24 | int.from_bytes(self.data[at : at + 3], "big")
            right = (middle & 15) << 24 | int.from_bytes(self.data[at + 4 : at + 7], "big")
            for side, record in enumerate((left, right)):
                if record > self.nodes:
                    yield node, side, record - self.nodes - SEPARATOR

    def lead(self, node, side, record):
        """Lets a record lead elsewhere."""
        at = node * 7
        low, high = (record & 0xFFFFFF).to_bytes(3, "big"), record >> 24
        middle = self.data[at + 3]
        if side == 0:
            self.data[at : at + 3] = low
            self.data[at + 3] = high << 4 | middle & 15
        else:
            self.data[at + 4 : at + 7] = low
            self.data[at + 3] = middle & 0xF0 | high

    def lead_to(self, node, side, offset):
        self.lead(node, side, offset + self.nodes + SEPARATOR)

    def head(self, at):
        """Type, size and content of a value, and where the next one begins. Pointers are followed."""
        control = self.data[at]
        kind = control >> 5
        at += 1
        if kind == POINTER:
            length, bits = ((control >> 3) & 3) + 1, control & 7
            target = int.from_bytes(self.data[at : at + length], "big")
            if length < 4:
                target |= bits << (8 * length)
            target += (0, 2048, 526336, 0)[length - 1]
            kind, size, start, _ = self.head(self.base + target)
            return kind, size, start, at + length
        if kind == 0:
            kind = self.data[at] + 7
            at += 1
        size = control & 31
        if size >= 29:
            length = size - 28
            size = (29, 285, 65821)[length - 1] + int.from_bytes(self.data[at : at + length], "big")
            at += length
        holds_others = kind in (MAP, 11)
        return kind, size, at, at if holds_others or kind == 14 else at + size

    def behind(self, at):
        """Where the value behind this one begins."""
        is_pointer = self.data[at] >> 5 == POINTER
        kind, size, _, behind = self.head(at)
        if not is_pointer and kind in (MAP, 11):
            for _ in range(size * 2 if kind == MAP else size):
                behind = self.behind(behind)
        return behind

    def field(self, at, *path):
        """Finds a value below a map: its type, size and start."""
        kind, size, start, _ = self.head(at)
        if not path:
            return kind, size, start
        at = start
        for _ in range(size):
            _, length, key, at = self.head(at)
            if self.data[key : key + length] == path[0]:
                return self.field(at, *path[1:])
            at = self.behind(at)
        return None

    def country(self, offset):
        found = self.field(self.base + offset, b"country", b"iso_code")
        return found and bytes(self.data[found[2] : found[2] + found[1]])

    def rename(self, key):
        """Gives a field another name of the same length."""
        old = bytes([STRING << 5 | len(key)]) + key
        new = old[:-1] + b"~"
        section = bytes(self.data[self.base : self.end]).replace(old, new)
        self.data[self.base : self.end] = section


def postal_codes_malformed(database):
    offsets = {offset for _, _, offset in database.edges()}
    codes = {database.field(database.base + offset, b"postal", b"code") for offset in offsets}
    for _, size, start in filter(None, codes):
        database.data[start : start + size] = b"?" * size


def countries_wrong(database):
    """One network of twenty lies in another country."""
    edges = list(itertools.islice(database.edges(), 0, None, 20))
    known = {}
    for _, _, offset in edges:
        known.setdefault(database.country(offset), offset)
    german, french = known[b"DE"], known[b"FR"]
    for node, side, offset in edges:
        is_german = database.country(offset) == b"DE"
        database.lead_to(node, side, french if is_german else german)


def countries_gone(database):
    """One network of twenty has a record without a country."""
    edges = list(database.edges())
    without = next(offset for _, _, offset in edges if database.country(offset) is None)
    for node, side, _ in edges[::20]:
        database.lead_to(node, side, without)


def networks_gone(database):
    """A third of the networks has no record."""
    for node, side, _ in list(database.edges())[::3]:
        database.lead(node, side, database.nodes)


def twice(database):
    """The data section stands there twice."""
    section = bytes(database.data[database.base : database.end])
    database.data[database.end : database.end] = section


DAMAGES = {
    "postal-codes-malformed": postal_codes_malformed,
    "postal-codes-gone": lambda database: database.rename(b"postal"),
    "locations-gone": lambda database: database.rename(b"location"),
    "countries-wrong": countries_wrong,
    "countries-gone": countries_gone,
    "networks-gone": networks_gone,
    "twice": twice,
}


def main():
    source, damage, target = sys.argv[1:]
    with open(source, "rb") as file:
        database = Database(file.read())
    DAMAGES[damage](database)
    with open(target, "wb") as file:
        file.write(database.data)


main()
