"""What a mount shows, without a mount: read on first use, the first headers before the last."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders.mini import mini, mini_archive
from kheaders.forms.contents import DIRECTORY, Contents
from kheaders.forms.directory import write
from kheaders.headers.headerset import HeaderSet

Open = Callable[[bytes], Contents]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Contents of an archive."""
    descriptors: list[int] = []

    def made(data: bytes) -> Contents:
        (tmp_path / "archive").write_bytes(data)
        descriptors.append(os.open(tmp_path / "archive", os.O_RDONLY))
        return Contents(descriptors[-1], str(tmp_path / "tree"))

    yield made
    for thread in threading.enumerate():
        if thread.name == "kheaders-contents":
            thread.join()
    for fd in descriptors:
        os.close(fd)


def walk(contents: Contents, path: str = "") -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for name in contents.listing(path):
        below = f"{path}/{name}" if path else name
        node = contents.find(below)
        assert node is not None, below
        if node == DIRECTORY:
            found |= walk(contents, below)
        else:
            found[below] = node.data if node.data is not None else str(node.link)
    return found


def test_the_same_tree_as_the_directory_form(opened: Open, tmp_path: Path) -> None:
    links = {"include/alias": "linux", "include/one.h": "linux/mm.h"}
    data = mini_archive(links=links)
    (tmp_path / "tree").mkdir(mode=0o700)
    fd = os.open(tmp_path / "tree", os.O_RDONLY)
    write(HeaderSet(mini(), links), fd, tmp_path / "tree")
    os.close(fd)
    disk: dict[str, bytes | str] = {}
    for place, directories, files in os.walk(tmp_path / "tree"):
        for name in [*directories, *files]:
            path = Path(place, name)
            if path.is_symlink():
                disk[str(path.relative_to(tmp_path / "tree"))] = os.readlink(path)
            elif path.is_file():
                disk[str(path.relative_to(tmp_path / "tree"))] = path.read_bytes()
    assert walk(opened(data)) == disk
    assert ".bpf/overlay.json" in disk and disk["include/alias"] == "linux"


def test_nothing_is_read_before_the_first_question(opened: Open) -> None:
    contents = opened(b"no archive at all")
    assert contents.find("") == DIRECTORY
    with pytest.raises(OSError, match="archive"):
        contents.find("include")
    with pytest.raises(OSError, match="archive"):
        list(contents.listing(""))


def test_what_is_not_there(opened: Open) -> None:
    contents = opened(mini_archive())
    assert contents.find("include/linux/none.h") is None
    assert contents.find(".bpf/none") is None and contents.find("include/linux/mm.h/x") is None
    assert contents.find("include/linux") == DIRECTORY and contents.find(".bpf/include") == DIRECTORY


def test_a_header_is_there_before_the_last_was_read(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slowly(stream: object, *, watch: Callable[[str, object], None], **more: object) -> HeaderSet:
        files = dict(mini())
        watch("include/linux/mm.h", {"include/linux/mm.h": files["include/linux/mm.h"]})
        assert go_on.wait(60)
        return HeaderSet(files)

    monkeypatch.setattr(HeaderSet, "from_archive", slowly)
    contents = opened(b"")
    first = contents.find("include/linux/mm.h")
    assert first is not None and first.data == mini()["include/linux/mm.h"]
    assert contents.find("include/linux") == DIRECTORY
    go_on.set()
    assert contents.find("include/linux/none.h") is None


def test_forgotten_and_read_again(opened: Open) -> None:
    contents = opened(mini_archive())
    before = walk(contents)
    contents.forget()
    assert walk(contents) == before
