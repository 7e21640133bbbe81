"""What is in a blob's file: numbers and names that its writer and its readers share. docs/blob.md describes it."""

from __future__ import annotations

SCHEMA = 1
"""Changes whenever an older kheaders could misread the file."""
APPLICATION_ID = 0x6B686472  # "khdr", in the file's header for file(1)
PAGE = 16 * 1024
"""Bytes of text that are compressed together: small enough to be unpacked for one declaration."""

NAME_ROWS = ("words", "strong", "weak", "members", "touched", "declares", "defines")
"""Declaration → numbers of names, sorted."""
INVERSES = {"name_decls": "declares", "tag_decls": "defines", "member_decls": "members"}
"""Rows name → declarations, and the rows that they are the inverse of."""
ROWS = ("includes", *NAME_ROWS, "macro_words", *INVERSES, "name_macros")
"""Each is two arrays, ``NAME.starts`` and ``NAME.values``: row *i* is ``values[starts[i]:starts[i + 1]]``."""
KINDS = ("struct", "union", "enum", "typedef", "prototype", "inline", "variable", "forward", "other")
"""Kinds of declarations, by number."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE name (name TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE failed (path TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE decl_text (page INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE macro_text (page INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE numbers (name TEXT PRIMARY KEY, data BLOB NOT NULL);
"""
TABLE_NAMES = ("meta", "name", "tag", "file", "failed", "decl_text", "macro_text", "numbers")
