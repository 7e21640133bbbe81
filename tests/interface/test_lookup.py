"""Look-ups: every kind of name, its values by the compiler, its users, and what a misspelt one was meant to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.interface import ANIMALS
from kheaders.clang import find as compilers
from kheaders.interface.blob import Blob
from kheaders.interface.lookup import Item, find, suggest, unknown, users
from kheaders.interface.values import evaluate, include_name


@pytest.fixture
def blob(small_blob: Path) -> Iterator[Blob]:
    with Blob(small_blob) as opened:
        yield opened


def the(blob: Blob, name: str) -> Item:
    """The only item of *name*."""
    (item,) = find(blob, name)
    return item


class TestFind:
    @pytest.mark.parametrize(
        ("name", "kind", "begins"),
        [
            ("animal", "struct", "struct animal {"),
            ("paw", "struct", "struct animal {"),
            ("animal_id", "union", "union animal_id {"),
            ("animal_kind", "enum", "enum animal_kind {"),
            ("ANIMAL_DOG", "constant", "enum animal_kind {"),
            ("LEGS_MAX", "constant", "enum {"),
            ("animal_t", "typedef", "typedef struct animal animal_t;"),
            ("animal_fn", "typedef", "typedef int (*animal_fn)"),
            ("animal_feed", "prototype", "extern int animal_feed("),
            ("animal_weight", "inline", "static inline"),
            ("first_animal", "variable", "extern struct animal first_animal;"),
            ("ANIMAL_LIMIT", "macro", "#define ANIMAL_LIMIT (PAW_SIZE * LEGS_MAX + 1)"),
            ("ANIMAL_MADE", "macro", "#define ANIMAL_MADE(k) "),
        ],
    )
    def test_each_kind(self, blob: Blob, name: str, kind: str, begins: str) -> None:
        item = the(blob, name)
        assert (item.kind, item.name, item.file) == (kind, name, "include/linux/animals.h")
        assert item.text.startswith(begins)
        first = item.text.splitlines()[0].removeprefix("static inline")
        assert first.strip()[:12] in ANIMALS.splitlines()[item.line - 1]

    def test_the_enum_of_a_constant(self, blob: Blob) -> None:
        assert the(blob, "ANIMAL_OWL").owner == "animal_kind"
        assert the(blob, "LEGS_MAX").owner == ""

    def test_every_definition_where_headers_disagree(self, blob: Blob) -> None:
        assert {(i.text, i.file) for i in find(blob, "ANIMAL_SPEED")} == {
            ("#define ANIMAL_SPEED 10", "include/linux/animals.h"),
            ("#define ANIMAL_SPEED 90", "include/linux/fast.h"),
        }

    @pytest.mark.parametrize("name", ["no_such_name", "", "a b", "x" * 10_000, "é", "' OR 1=1 --", "\0"])
    def test_nothing(self, blob: Blob, name: str) -> None:
        assert find(blob, name) == []

    def test_a_member_is_no_name_of_its_own(self, blob: Blob) -> None:
        assert blob.number("kind") is not None
        assert find(blob, "kind") == []

    def test_real_names(self, debian_blob: Path) -> None:
        with Blob(debian_blob) as real:
            assert the(real, "task_struct").file == "include/linux/sched.h"
            assert the(real, "ip_hdr").kind == "inline"
            assert the(real, "vfs_read").kind == "prototype"
            assert the(real, "BPF_MAP_TYPE_HASH").owner == "bpf_map_type"
            assert {i.kind for i in find(real, "IPPROTO_TCP")} == {"constant", "macro"}


class TestValues:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("LEGS_MAX", 4),
            ("ANIMAL_CAT", 0),
            ("ANIMAL_OWL", 8),
            ("ANIMAL_LIMIT", 13),
            ("ANIMAL_MASK", 2**64 - 13),
            ("ANIMAL_LEAST", -(2**31)),
            ("ANIMAL_HUGE", 2**64 - 1),
            ("ANIMAL_NONE", 0),
            ("ANIMAL_ZERO", 0),
            ("ANIMAL_NAME", 'cat "Tom" \\ \t\n\x01'),
            ("BIRD_WINGS", 2),
            ("PAW_SIZE", 3),
            ("PAW_COUNT", 4),
        ],
    )
    def test_constants(self, blob: Blob, clang: Clang, name: str, value: object) -> None:
        (item,) = evaluate(blob, find(blob, name), compilers.find(" ".join(clang.argv)))
        assert (item.value, item.reason) == (value, "")

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("ANIMAL_FIRST", "address"),
            ("ANIMAL_INIT", "no constant"),
            ("ANIMAL_WEIGHT", "no constant"),
            ("ANIMAL_MADE", "arguments"),
            ("ANIMAL_EMPTY", "empty"),
        ],
    )
    def test_why_there_is_none(self, blob: Blob, clang: Clang, name: str, reason: str) -> None:
        (item,) = evaluate(blob, find(blob, name), compilers.find(" ".join(clang.argv)))
        assert item.value is None and reason in item.reason and "\n" not in item.reason

    def test_each_definition_has_its_own(self, blob: Blob, clang: Clang) -> None:
        items = evaluate(blob, find(blob, "ANIMAL_SPEED"), compilers.find(" ".join(clang.argv)))
        assert {item.file: item.value for item in items} == {
            "include/linux/animals.h": 10,
            "include/linux/fast.h": 90,
        }

    def test_others_stay_as_they_are(self, blob: Blob, clang: Clang) -> None:
        items = find(blob, "animal") + find(blob, "animal_weight")
        assert evaluate(blob, items, compilers.find(" ".join(clang.argv))) == items

    def test_real_ones(self, debian_blob: Path, clang: Clang) -> None:
        wanted = {"TASK_COMM_LEN": 16, "AF_INET": 2, "PAGE_SIZE": 4096, "EINVAL": 22, "IPPROTO_UDP": 17, "NULL": 0}
        compiler = compilers.find(" ".join(clang.argv))
        with Blob(debian_blob) as real:
            for name, value in wanted.items():
                assert {item.value for item in evaluate(real, find(real, name), compiler)} == {value}, name


def test_include_names(blob: Blob) -> None:
    search = ("arch/x86/include", "include", "arch/x86/include/uapi", "include/uapi")
    assert include_name(blob, "include/linux/animals.h", search) == "linux/animals.h"
    assert include_name(blob, "arch/x86/include/asm/paws.h", search) == "asm/paws.h"
    assert include_name(blob, "include/uapi/linux/birds.h", search) == "uapi/linux/birds.h"
    assert include_name(blob, "arch/x86/include/uapi/asm/paws.h", search) == "uapi/asm/paws.h"
    assert include_name(blob, "<command line>", search) is None


class TestUsers:
    def names(self, blob: Blob, name: str) -> set[tuple[str, str]]:
        return {(item.kind, item.name) for item in users(blob, name)}

    def test_of_a_constant(self, blob: Blob) -> None:
        assert self.names(blob, "LEGS_MAX") == {
            ("struct", "animal"),
            ("inline", "animal_weight"),
            ("macro", "ANIMAL_LIMIT"),
        }

    def test_of_a_struct(self, blob: Blob) -> None:
        found = self.names(blob, "animal")
        assert {("inline", "animal_weight"), ("prototype", "animal_feed"), ("typedef", "animal_t")} <= found
        assert ("variable", "first_animal") in found and ("struct", "animal") not in found

    def test_of_an_inline_and_of_nothing(self, blob: Blob) -> None:
        assert self.names(blob, "animal_weight") == {("macro", "ANIMAL_WEIGHT")}
        assert users(blob, "ANIMAL_HUGE") == []


class TestSuggest:
    @pytest.mark.parametrize(
        ("typo", "meant"),
        [
            ("animl", "animal"),
            ("nimal", "animal"),
            ("aminal_weight", "animal_weight"),
            ("ANIMAL_LIMT", "ANIMAL_LIMIT"),
            ("animal_limit", "ANIMAL_LIMIT"),
            ("task_strukt", "task_struct"),
        ],
    )
    def test_a_typo(self, blob: Blob, typo: str, meant: str) -> None:
        assert meant in suggest(blob, typo)
        assert f"did you mean {suggest(blob, typo)[0]}" in str(unknown(blob, typo))

    @pytest.mark.parametrize("name", ["", "qqqqqq", "x" * 5000, "%", "_"])
    def test_nothing_like_it(self, blob: Blob, name: str) -> None:
        assert suggest(blob, name) == []
        assert "\n" not in str(unknown(blob, name))

    def test_only_what_is_declared(self, blob: Blob) -> None:
        assert "grams" not in suggest(blob, "gramms") and "wings" not in suggest(blob, "wing")
