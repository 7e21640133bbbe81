"""The blob's file: what was put in comes out, and what is no whole blob of this version is refused in one line."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from builders.interface import ANIMALS, built, content, headers
from kheaders.errors import BlobError
from kheaders.interface.blob import Blob
from kheaders.interface.program import read
from kheaders.interface.schema import ENTRIES, KINDS, NUMBERS
from kheaders.interface.slice import Cutter
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
            file, line = blob.place("decl", decl)
            assert KINDS[blob.kinds[decl]] == "struct"
            assert file == "include/linux/animals.h"
        assert ANIMALS.splitlines()[line - 1] == "struct animal {" == text.splitlines()[0]
        assert "enum animal_kind kind;" in text

    def test_whole_and_piecewise_reading_agree(self, small_blob: Path) -> None:
        with Blob(small_blob) as whole, Blob(small_blob) as pieces:
            assert whole.texts("decl") == [pieces.declaration(i) for i in range(whole.count("decl"))]
            assert whole.texts("macro") == [pieces.macro(i) for i in range(whole.count("macro"))]
            for kind in ("decl", "macro"):
                assert whole.lines(kind) == [pieces.place(kind, i)[1] for i in range(whole.count(kind))]
            assert [whole.names[n] for n in range(0, len(whole.names), 97)] == [
                pieces.name(n) for n in range(0, len(whole.names), 97)
            ]

    def test_every_name_has_the_number_that_it_is_found_by(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            assert len(blob.names) == len(set(blob.names)) > 3000
            assert blob.numbers(blob.names) == {name: number for number, name in enumerate(blob.names)}
            assert blob.numbers(["animal", "no_such_name", "ANIMAL", "", "\udc80"]).keys() == {"animal"}
            assert blob.number("no_such_name") is None

    def test_names_that_begin_alike(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            for prefix in ("ANIMAL_", "animal", "PADDING_NUMBER_2", "PADDING_NUMBER_2999", "A", "z", "\U0010ffff", ""):
                alike = sorted(name for name in blob.names if name.startswith(prefix))
                assert blob.prefixed(prefix, 10_000) == alike
                assert blob.prefixed(prefix, 7) == alike[:7]
            assert {"ANIMAL_CAT", "ANIMAL_DOG"} <= set(blob.prefixed("ANIMAL_", 1000))

    def test_two_names_of_one_hash(self, small_blob: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two names in a thousand millions are; here all that begin alike."""

        def alike(name: bytes) -> int:
            return len(name) << 32 | len(name)

        monkeypatch.setattr("kheaders.interface.blob.hashed", alike)
        for module in ("index", "verify", "writer"):
            monkeypatch.setattr(f"kheaders.interface.{module}.hashes", lambda names: list(map(alike, names)))
        with Blob(built(tmp_path / "alike")) as blob:
            assert problems(blob) == []
            some = range(0, len(blob.names), len(blob.names) // 11)
            assert blob.numbers(blob.names[number] for number in some) == {blob.names[n]: n for n in some}
            assert blob.number("animaL") is None and blob.number("cat") is None

    def test_inverse_rows(self, small_blob: Path) -> None:
        with Blob(small_blob) as blob:
            for inverse, rows in ENTRIES.items():
                count = blob.count("macro" if rows == "macro_names" else "decl")
                pairs = {(d, n) for d in range(count) for n in blob.row(rows, d)}
                assert pairs == {(d, n) for d, row in enumerate(blob.rows(rows)) for n in row}
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
            assert blob.meta["counts"]["macros"] == blob.count("macro") > 3000

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
            ("UPDATE decl SET text = x'00' WHERE page = 0", "texts of decl"),
            ("UPDATE decl SET numbers = x'00' WHERE page = 0", "decl page 0"),
            ("UPDATE decl SET numbers = (SELECT numbers FROM macro WHERE page = 1) WHERE page = 0", "decl page 0"),
            ("DELETE FROM macro WHERE page = 1", "other pages of macro"),
            ("INSERT INTO decl SELECT 10000, numbers, text FROM decl WHERE page = 0", "other pages of decl"),
            ("UPDATE decl SET text = (SELECT text FROM macro WHERE page = 0) WHERE page = 0", "texts of decl"),
            ("DELETE FROM numbers WHERE name = 'kinds'", "kinds"),
            ("UPDATE numbers SET data = data || x'0000' WHERE name = 'decl_files'", "decl_files"),
            ("UPDATE numbers SET data = x'000000' WHERE name = 'decl_files'", "decl_files"),
            ("UPDATE numbers SET data = data || x'00000000' WHERE name = 'decl_pages'", "decl_pages"),
            ("UPDATE numbers SET data = zeroblob(length(data)) WHERE name = 'places'", "names"),
            ("DROP TABLE failed", "failed"),
            ("DELETE FROM name WHERE page = 2", "name|places"),
            ("UPDATE name SET names = x'00' WHERE page = 2", "name page 2"),
            ("DELETE FROM listing", "files"),
            ("DELETE FROM meta WHERE key = 'srcarch'", "srcarch"),
            ("UPDATE meta SET value = '{' WHERE key = 'counts'", "metadata"),
        ],
    )
    def test_wrong_content(self, change: Callable[..., Path], sql: str, words: str) -> None:
        self.check(change(sql), words)

    @pytest.mark.parametrize("name", NUMBERS)
    @pytest.mark.parametrize("filling", [b"\x00", b"\x7f", b"\xff"])
    def test_numbers_that_are_wrong(self, change: Callable[..., Path], name: str, filling: bytes) -> None:
        with closing(sqlite3.connect(change("SELECT 1"))) as database:
            (data,) = database.execute("SELECT data FROM numbers WHERE name = ?", (name,)).fetchone()
        if data.strip(filling):
            path = change("UPDATE numbers SET data = ? WHERE name = ?", filling * len(data), name)
            self.check(path, ".")

    @pytest.mark.parametrize("column", ["text", "numbers"])
    def test_reading_a_damaged_one_says_so(self, change: Callable[..., Path], column: str) -> None:
        path = change(f"UPDATE decl SET {column} = x'00'")
        with Blob(path) as blob, pytest.raises(BlobError, match="damaged"):
            blob.declaration(0)

    @pytest.mark.parametrize("name", NUMBERS)
    def test_cutting_from_a_damaged_one_says_so(self, change: Callable[..., Path], name: str) -> None:
        """Or gives a slice that is wrong, which no one can tell without looking at everything; but nothing else."""
        path = change("UPDATE numbers SET data = zeroblob(length(data)) || x'ffffffff' WHERE name = ?", name)
        text = b"#include <linux/animals.h>\nint f(struct animal *a) { return animal_weight(a) + ANIMAL_LIMIT; }\n"
        with Blob(path) as blob:
            try:
                Cutter(blob, ("include",)).cut(read(text, None, ()))
            except BlobError as error:
                assert "damaged" in str(error)
