"""The oracle: what is read off every declaration of a kernel is what libclang says of the same text.

``KHEADERS_TEST_KERNELS`` takes other kernels.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import corpus, need, oracle
from builders.kernel_archive import Unobtainable
from kheaders.clang.find import find
from kheaders.interface.blob import Blob
from kheaders.interface.build import build

pytestmark = [pytest.mark.slow, pytest.mark.network]

_USUAL = "6.1-amd64"


@pytest.fixture(scope="module", params=corpus.chosen([_USUAL]))
def declarations(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[oracle.Source]:
    """Every declaration of a kernel."""
    pytest.importorskip("clang.cindex")
    path: Path
    if request.param == _USUAL:
        path = request.getfixturevalue("debian_blob")
    else:
        need.network()
        path = tmp_path_factory.mktemp("declarations") / "blob.kheaders"
        try:
            build(corpus.headers(*request.param.split("-")), find(), path)
        except Unobtainable as error:
            pytest.skip(f"no headers of {request.param}: {error}")
    with Blob(path) as blob:
        return oracle.sources(blob)


def test_names_tags_and_members_are_those_of_libclang(declarations: list[oracle.Source]) -> None:
    """All but a few in a thousand are compared: some contradict others, and libclang drops what it saw elsewhere."""
    compared = 0
    different = []
    for source, names in zip(declarations, oracle.parsed(declarations), strict=True):
        read = (set(source.found.names), set(source.found.tags), set(source.found.members))
        if not names.refused and (any(names[:3]) or not any(read)):
            compared += 1
            if read != names[:3]:
                different.append((source.text[:200], names))
    assert compared > 0.99 * len(declarations)
    assert not different


def test_types_are_read_as_weak_only_where_libclang_takes_them_incomplete(declarations: list[oracle.Source]) -> None:
    """Enums are strong always, as C has no incomplete ones, and records wherever no pointer to them is meant.

    C takes an incomplete type in a typedef, a prototype, an extern variable and under ``typeof``, but what uses these
    needs it complete.
    """
    uses = list(zip(declarations, oracle.completeness(declarations), strict=True))
    assert sum(use.compared for _, use in uses) > 0.99 * len(declarations)
    assert not [source.text[:200] for source, use in uses if use.lacking]
    assert not [
        (source.text[:200], tag)
        for source, use in uses
        for tag in use.needless
        if not oracle.is_enum(source.text, tag) and not oracle.by_value(source.text, tag)
    ]
