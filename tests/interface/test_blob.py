"""The blob's file: what was put in comes out, and what is no whole blob of this version is refused in one line."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from builders.interface import ANIMALS, built, content, headers
from kheaders.errors import BlobError
from kheaders.interface.blob import Blob
from kheaders.interface.place import replacing
from kheaders.interface.schema import KINDS, ROWS
from kheaders.interface.verify import problems


@pytest.fixture
def copy(small_blob: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copy(small_blob, tmp_path / "copy.kheaders"))


@pytest.fixture
def change(copy: Path) -> Callable[..., Path]:
    """Run SQL on the copy."""

    def run(sql: str, *values: object) -> Path:
        with closing(sqlite3.connect(copy, isolation_level=None)) as database:
            database.execute(sql, values)
        return copy

    return run


class TestRoundTrip:
    def test_each_text_is_that_of_the_header(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            number = blob.number("animal")
            assert number is not None
            (decl,) = blob.row("tag_decls", number)
            text = blob.declaration(decl).decode()
            line = blob.array("decl_lines")[decl]
            assert KINDS[blob.kinds[decl]] == "struct"
            assert blob.files[blob.array("decl_files")[decl]] == "include/linux/animals.h"
        assert ANIMALS.splitlines()[line - 1] == "struct animal {" == text.splitlines()[0]
        assert "enum animal_kind kind;" in text

    def test_whole_and_piecewise_reading_agree(self, small_blob: Path) -> None:
        with Blob(small_blob) as whole, Blob(small_blob) as pieces:
            assert whole.declarations == [pieces.declaration(i) for i in range(len(whole.declarations))]
            assert whole.macros == [pieces.macro(i) for i in range(len(whole.macros))]
            assert [whole.names[n] for n in range(0, len(whole.names), 97)] == [
                pieces.name(n) for n in range(0, len(whole.names), 97)
            ]

    def test_numbers_of_names_are_their_order(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            assert blob.names == sorted(set(blob.names))
            assert blob.numbers(["animal", "no_such_name"]) == {"animal": blob.names.index("animal")}
            assert blob.number("no_such_name") is None

    def test_inverse_rows(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            for rows, inverse in (("declares", "name_decls"), ("defines", "tag_decls"), ("members", "member_decls")):
                pairs = {(d, n) for d in range(len(blob.declarations)) for n in blob.row(rows, d)}
                assert pairs == {(d, n) for n in range(len(blob.names)) for d in blob.row(inverse, n)}
                assert pairs

    def test_include_graph(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            number = blob.file_numbers["include/linux/animals.h"]
            includes = {blob.files[file] for file in blob.row("includes", number)}
        assert includes == {"include/linux/types.h", "arch/x86/include/asm/paws.h"}

    def test_left_out_headers_and_metadata(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            assert "not on this machine" in blob.failed["include/linux/refuses.h"]
            assert "linux/no_such_thing.h" in blob.failed["include/linux/asks.h"]
            assert blob.meta["digest"] == headers().digest and blob.meta["srcarch"] == "x86"
            assert blob.meta["counts"]["macros"] == len(blob.macros) > 3000

    def test_the_same_headers_give_the_same_rows(self, small_blob: Path, tmp_path: Path) -> None:
        assert content(built(tmp_path / "again")) == content(small_blob)

    def test_it_is_whole(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            assert problems(blob) == []

    @pytest.mark.slow
    def test_a_real_one_is_whole(self, debian_blob: Path) -> None:
        with Blob(debian_blob) as blob:
            assert problems(blob) == []
            assert blob.meta["counts"]["declarations"] > 50_000
        assert debian_blob.stat().st_size < 40_000_000


class TestRefused:
    def check(self, path: Path, words: str) -> None:
        with pytest.raises(BlobError, match=words) as caught, Blob(path) as blob:
            raise BlobError("; ".join(problems(blob)) or "nothing wrong")
        assert "\n" not in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        self.check(tmp_path / "none", "no such blob")
        self.check(tmp_path, "no such blob")

    @pytest.mark.parametrize("data", [b"", b"\x7fELF" + bytes(5000), b"SQLite format 3\0", b"text\n" * 3000])
    def test_foreign(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "file").write_bytes(data)
        self.check(tmp_path / "file", "is no blob|no blob of kheaders")

    def test_another_database(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "file")) as database:
            database.execute("CREATE TABLE t (a)")
        self.check(tmp_path / "file", "no blob of kheaders")

    def test_another_version(self, change: Callable[..., Path]) -> None:
        self.check(change("PRAGMA user_version = 9999"), "has schema 9999")

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
    def test_truncated(self, copy: Path, part: float) -> None:
        data = copy.read_bytes()
        copy.write_bytes(data[: int(len(data) * part)])
        self.check(copy, "damaged|malformed|SQLite|database")

    def test_every_tenth_page_zeroed(self, copy: Path) -> None:
        data = bytearray(copy.read_bytes())
        for at in range(8192, len(data), 40960):
            data[at : at + 4096] = bytes(min(4096, len(data) - at))
        copy.write_bytes(data)
        self.check(copy, ".")

    @pytest.mark.parametrize(
        ("sql", "words"),
        [
            ("UPDATE decl_text SET data = x'00' WHERE page = 0", "page 0"),
            ("DELETE FROM macro_text WHERE page = 1", "page 1"),
            ("INSERT INTO decl_text SELECT 10000, data FROM decl_text WHERE page = 0", "hold more"),
            ("DELETE FROM numbers WHERE name = 'kinds'", "kinds"),
            ("UPDATE numbers SET data = data || x'00000000' WHERE name = 'decl_lines'", "decl_lines"),
            ("UPDATE numbers SET data = x'000000' WHERE name = 'decl_files'", "decl_files"),
            ("DROP TABLE failed", "failed"),
            ("DELETE FROM name WHERE name = 'animal'", "name"),
            ("UPDATE tag SET name = 'other' WHERE name = 'animal'", "tag"),
            ("DELETE FROM tag WHERE name = 'animal'", "tag"),
            ("DELETE FROM meta WHERE key = 'srcarch'", "srcarch"),
            ("UPDATE meta SET value = '{' WHERE key = 'counts'", "metadata"),
        ],
    )
    def test_wrong_content(self, change: Callable[..., Path], sql: str, words: str) -> None:
        self.check(change(sql), words)

    @pytest.mark.parametrize("rows", ROWS)
    def test_numbers_out_of_range(self, change: Callable[..., Path], rows: str) -> None:
        path = change("UPDATE numbers SET data = zeroblob(length(data)) || x'' WHERE name = ?", f"{rows}.starts")
        self.check(path, f"{rows}.starts")

    def test_reading_a_damaged_one_says_so(self, change: Callable[..., Path]) -> None:
        path = change("UPDATE decl_text SET data = x'00'")
        with Blob(path) as blob, pytest.raises(BlobError, match="damaged"):
            blob.declaration(0)


class TestReplacing:
    def test_whole_or_not_at_all(self, tmp_path: Path) -> None:
        place = tmp_path / "file"
        place.write_text("old")
        with pytest.raises(RuntimeError), replacing(place) as staged:
            staged.write_text("half")
            raise RuntimeError
        assert place.read_text() == "old" and list(tmp_path.iterdir()) == [place]
        with replacing(place) as staged:
            staged.write_text("new")
        assert place.read_text() == "new" and list(tmp_path.iterdir()) == [place]
        assert stat.S_IMODE(place.stat().st_mode) == 0o644

    def test_places_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for place in (tmp_path, tmp_path / "none/file", tmp_path / "file/below", tmp_path / ("n" * 300)):
            with pytest.raises(BlobError), replacing(place):
                raise AssertionError("must not get here")
