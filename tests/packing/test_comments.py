"""The rule is that of a pattern; the pattern itself, slow as it is, says what must come out."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kheaders.packing.comments import strip

RULE = re.compile(rb"/\*((?!SPDX).)*?\*/", re.S)
PERL = r"BEGIN {undef $/;}; s/\/\*((?!SPDX).)*?\*\///smg;"
"""The substitution as the kernel's script has it."""

CASES = {
    b"": b"",
    b"int a;": b"int a;",
    b"a/* b */c": b"ac",
    b"a/* b\n * c\n */\nd": b"a\nd",
    b"/**/a": b"a",
    b"/*/a*/b": b"b",
    b"/*/ b": b"/*/ b",
    b"a /* never ends": b"a /* never ends",
    b"// stays /* goes */": b"// stays ",
    b"/* SPDX-License-Identifier: GPL-2.0 */ a /* b */": b"/* SPDX-License-Identifier: GPL-2.0 */ a ",
    b"/* SPDX */* not a comment of C */b": b"/* SPDX *b",
    b"/* SPDX /* inner */ a": b"/* SPDX  a",
    b"/* a */ SPDX /* b */": b" SPDX ",
    b"/* SPD X */a": b"a",
    b"/*SPDX": b"/*SPDX",
    b'"/* in a string */"': b'""',
    b"/* \xff\xfe */\xff": b"\xff",
}


@pytest.mark.parametrize("text", CASES)
def test_cases(text: bytes) -> None:
    assert strip(text) == CASES[text]
    assert RULE.sub(b"", text) == CASES[text]


@given(st.lists(st.sampled_from([b"/*", b"*/", b"/", b"*", b"SPDX", b"SPD", b"X", b"a", b"\n"])).map(b"".join))
def test_the_rule_decides(text: bytes) -> None:
    assert strip(text) == RULE.sub(b"", text)


@pytest.mark.parametrize("text", CASES)
def test_perl_agrees(text: bytes) -> None:
    perl = shutil.which("perl")
    if perl is None:
        pytest.skip("no perl")
    done = subprocess.run([perl, "-pe", PERL], input=text, capture_output=True, check=True)
    assert done.stdout == CASES[text]


@pytest.mark.parametrize(
    "text", [b"/*" * 500_000, b"/*" * 500_000 + b"SPDX*/", b"/* SPDX " * 200_000, b"/*" * 500_000 + b"*/"]
)
def test_hostile_text_takes_no_longer_than_its_length(text: bytes) -> None:
    strip(text)  # quadratic time would be minutes
