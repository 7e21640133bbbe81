"""What is in a blob's file: numbers and names that its writer and its readers share. docs/blob.md describes it."""

from __future__ import annotations

from collections.abc import Collection
from zlib import crc32

SCHEMA = 5
"""Changes whenever an older kheaders could misread the file."""
APPLICATION_ID = 0x6B686472  # "khdr", in the file's header for file(1)
PAGE = 6 * 1024
"""Bytes of text after which a page ends: few enough to be unpacked for one declaration."""
PAGE_ITEMS = 64
"""Declarations or macros that a page holds at most."""

NAMES = 256
"""Names that are compressed together."""

NAME_ROWS = ("words", "strong", "weak", "members", "touched", "declares", "defines")
"""Declaration → numbers of names, sorted; in a page in this order."""
MACRO_ROWS = ("macro_names", "macro_words")
"""Macro → its name alone; the names in its body."""
PAGED = {"decl": NAME_ROWS, "macro": MACRO_ROWS}
"""The two kinds of pages, and the rows of each."""
ENTRIES = {"name_decls": "declares", "tag_decls": "defines", "name_macros": "macro_names"}
"""What a name's entry leads to, and the rows that it is the inverse of. The place here is an entry's lowest bits."""
KINDS = ("struct", "union", "enum", "typedef", "prototype", "inline", "variable", "forward", "other")
"""Kinds of declarations, by number."""
NOTES = ("defaults", "tested", "bare", "foreign", "mentions")
"""What is noted of the headers in the table ``listing``: of their conditions (:mod:`kheaders.c.conditionals`), of
macros that are foreign to them (:mod:`kheaders.interface.foreign_macros`), and of those that a program may define
instead of them (:mod:`kheaders.interface.default_macros`)."""
NUMBERS = {
    "kinds": "B",
    "decl_files": "H",
    "decl_pages": "I",
    "macro_files": "H",
    "macro_pages": "I",
    "includes.starts": "I",
    "includes.values": "I",
    "buckets": "I",
    "marks": "I",
    "entries.bases": "I",
    "entries.offsets": "H",
    "entries.values": "I",
    "places": "I",
}
"""Names in the table ``numbers``, and the type (of :mod:`array`) of what each holds."""
BUCKETS = 1 << 16
BLOCK = 6
"""Bits of a name's number that do not count for ``entries.bases``."""

TABLES = """
CREATE TABLE numbers (name TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE listing (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE failed (path TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE decl (page INTEGER PRIMARY KEY, numbers BLOB NOT NULL, text BLOB NOT NULL);
CREATE TABLE macro (page INTEGER PRIMARY KEY, numbers BLOB NOT NULL, text BLOB NOT NULL);
CREATE TABLE name (page INTEGER PRIMARY KEY, first BLOB NOT NULL, names BLOB NOT NULL);
CREATE INDEX name_first ON name (first);
"""
TABLE_NAMES = ("numbers", "meta", "listing", "failed", "decl", "macro", "name")


def hashed(name: bytes) -> int:
    """48 bits of a name: the upper 16 are its bucket, the others its mark, by which it is found without any other name.

    Both ways to read the name count, as one CRC alone would take some names for others.
    """
    return crc32(name) << 16 | crc32(name[::-1]) >> 16


def hashes(names: Collection[bytes]) -> list[int]:
    """The hash of each of many names."""
    backwards = [name[::-1] for name in names]
    return [one << 16 | other >> 16 for one, other in zip(map(crc32, names), map(crc32, backwards), strict=True)]
