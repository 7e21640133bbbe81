"""Which directories and files are trusted, and what is said of those that are not."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.others import OTHER, STRANGER, as_user, open_place, with_umask
from kheaders import safepath
from kheaders.errors import StoreError, UnsafePath

COMPONENTS = ("a", "b", "c")


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    path = tmp_path.joinpath(*COMPONENTS)
    path.mkdir(parents=True, mode=0o755)
    for parent in (path, path.parent, path.parent.parent):
        parent.chmod(0o755)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def opened(path: Path, *, create: bool = False, mode: int = 0o755) -> os.stat_result:
    """The status of what open_dir opens."""
    with safepath.closing(safepath.open_dir(path, create=create, mode=mode)) as fd:
        os.listdir(fd)
        return os.fstat(fd)


def test_opens_what_is_there(deep: Path) -> None:
    assert os.path.samestat(opened(deep), deep.stat())


def test_root_directory_can_be_opened() -> None:
    assert os.path.samestat(opened(Path("/")), os.stat("/"))


def test_relative_path_and_dots(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(deep)
    assert os.path.samestat(opened(Path("../../b")), deep.parent.stat())


def test_missing_is_not_made_unless_asked(deep: Path) -> None:
    with pytest.raises(FileNotFoundError):
        safepath.open_dir(deep / "x/y")
    assert not (deep / "x").exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_made_with_exact_mode_under_any_umask(deep: Path, umask: int, mode: int) -> None:
    with_umask(umask, lambda: opened(deep / "x/y", create=True, mode=mode))
    assert (mode_of(deep / "x"), mode_of(deep / "x/y")) == (mode, mode)
    assert mode_of(deep) == 0o755


@pytest.mark.root
def test_user_makes_directories_under_a_umask_that_forbids_all(place: Path) -> None:
    home = place / "home"
    home.mkdir()
    os.chown(home, STRANGER, STRANGER)
    as_user(STRANGER, lambda: with_umask(0o777, lambda: opened(home / "x/y", create=True, mode=0o700)))
    assert (mode_of(home / "x"), mode_of(home / "x/y"), (home / "x").stat().st_uid) == (0o700, 0o700, STRANGER)


def test_directory_of_a_killed_maker_is_healed(deep: Path) -> None:
    (deep / "x").mkdir()
    (deep / "x").chmod(0)
    opened(deep / "x/y", create=True)
    assert mode_of(deep / "x") == 0o755


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("create", [False, True])
def test_link_in_place_of_any_component(deep: Path, tmp_path: Path, index: int, create: bool) -> None:
    component = tmp_path.joinpath(*COMPONENTS[: index + 1])
    moved = component.with_name("moved")
    component.rename(moved)
    component.symlink_to(moved)
    with pytest.raises(UnsafePath) as caught:
        safepath.open_dir(deep, create=create)
    assert caught.value.what == f"{component}: is a symbolic link"
    assert caught.value.hint == f"name the directory that it points to, {moved}"


@pytest.mark.parametrize("index", range(3))
def test_dangling_link_is_not_followed_by_mkdir(deep: Path, tmp_path: Path, index: int) -> None:
    component = tmp_path.joinpath(*COMPONENTS[: index + 1])
    component.rename(component.with_name("moved"))
    component.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePath, match="leads to no directory"):
        safepath.open_dir(deep, create=True)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.root
def test_link_of_another_user_is_not_recommended(place: Path) -> None:
    (place / "link").symlink_to("/etc")
    os.lchown(place / "link", STRANGER, STRANGER)
    with pytest.raises(UnsafePath, match=f"that user {STRANGER} made") as caught:
        safepath.open_dir(place / "link/x", create=True)
    assert "/etc" not in str(caught.value)


def test_file_in_place_of_a_component(deep: Path) -> None:
    (deep / "x").write_text("")
    with pytest.raises(UnsafePath, match=f"{deep}/x: is not a directory; "):
        safepath.open_dir(deep / "x/y", create=True)


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize(
    ("mode", "says"), [(0o775, "group .* may write"), (0o757, "everybody may write"), (0o2775, "group .* may write")]
)
def test_writable_by_others(deep: Path, tmp_path: Path, index: int, mode: int, says: str) -> None:
    component = tmp_path.joinpath(*COMPONENTS[: index + 1])
    component.chmod(mode)
    with pytest.raises(UnsafePath, match=f"^{component}: {says}.*; run: chmod g"):
        safepath.open_dir(deep, create=True)


def test_access_list_shows_as_writable(deep: Path) -> None:
    rows = [
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 7, STRANGER),
        (0x04, 5, 0xFFFFFFFF),
        (0x10, 7, 0xFFFFFFFF),
        (0x20, 5, 0xFFFFFFFF),
    ]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)
    try:
        os.setxattr(deep, "system.posix_acl_access", value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip("the file system of temporary files has no access lists")
    with pytest.raises(UnsafePath, match="may write"):
        safepath.open_dir(deep)


@pytest.mark.root
class TestSticky:
    @pytest.fixture
    def shared(self, place: Path) -> Path:
        (place / "tmp").mkdir()
        (place / "tmp").chmod(0o1777)
        return place / "tmp"

    def test_of_root_is_passed(self, shared: Path) -> None:
        as_user(STRANGER, lambda: opened(shared / "mine", create=True, mode=0o700))
        assert (shared / "mine").stat().st_uid == STRANGER

    def test_is_no_place_itself(self, shared: Path) -> None:
        with pytest.raises(UnsafePath, match="everybody may make files in it"):
            safepath.open_dir(shared)

    def test_twice_in_a_row_is_refused(self, shared: Path) -> None:
        (shared / "x").mkdir()
        (shared / "x").chmod(0o1777)
        with pytest.raises(UnsafePath, match=f"{shared}/x: everybody"):
            safepath.open_dir(shared / "x/y", create=True)

    def test_of_a_user_is_refused(self, shared: Path) -> None:
        os.chown(shared, STRANGER, STRANGER)
        with pytest.raises(UnsafePath, match="everybody may write"):
            as_user(STRANGER, lambda: opened(shared / "y", create=True))

    def test_what_another_user_made_first_is_refused(self, shared: Path) -> None:
        as_user(STRANGER, lambda: os.mkdir(shared / "kheaders", 0o755))
        for user in (0, OTHER):
            with pytest.raises(UnsafePath, match=f"kheaders: belongs to user {STRANGER}"):
                as_user(user, lambda: opened(shared / "kheaders", create=True))


@pytest.mark.root
@pytest.mark.parametrize("index", range(3))
def test_owner_of_each_component(place: Path, index: int) -> None:
    deep = place.joinpath(*COMPONENTS)
    deep.mkdir(parents=True)
    component = place.joinpath(*COMPONENTS[: index + 1])
    os.chown(component, STRANGER, STRANGER)
    assert as_user(STRANGER, lambda: opened(deep)).st_ino == deep.stat().st_ino
    with pytest.raises(UnsafePath, match=f"{component}: belongs to user {STRANGER}, whom root cannot trust"):
        safepath.open_dir(deep)
    with pytest.raises(UnsafePath, match=f"{component}: belongs to user {STRANGER}, whom user {OTHER} cannot trust"):
        as_user(OTHER, lambda: opened(deep))


@pytest.mark.root
def test_no_permission_is_said_plainly(place: Path) -> None:
    (place / "x").mkdir(mode=0o700)
    with pytest.raises(StoreError, match=f"{place}/x/y: cannot open: Permission denied; "):
        as_user(STRANGER, lambda: opened(place / "x/y"))
    with pytest.raises(StoreError, match=f"{place}/z: cannot make this directory: Permission denied; "):
        as_user(STRANGER, lambda: opened(place / "z", create=True))


@pytest.mark.parametrize("name", ["nul\0l", "x" * 300])
def test_impossible_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError) as caught:
        safepath.open_dir(tmp_path / name, create=True)
    assert "\n" not in str(caught.value)


def test_component_that_is_removed_again_and_again(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safepath, "make_dir", lambda parent, name, mode: None)
    with pytest.raises(StoreError, match="again and again"):
        safepath.open_dir(deep / "x", create=True)


def test_file_is_opened(deep: Path) -> None:
    (deep / "f").write_text("text")
    with (
        safepath.closing(safepath.open_dir(deep)) as parent,
        safepath.closing(safepath.open_file(parent, "f", deep / "f")) as fd,
    ):
        assert os.read(fd, 10) == b"text"


def refused_file(path: Path) -> str:
    """What is said against the file *path*."""
    with safepath.closing(safepath.open_dir(path.parent)) as parent, pytest.raises(StoreError) as caught:
        safepath.open_file(parent, path.name, path)
    return caught.value.what


def test_bad_files(deep: Path) -> None:
    (deep / "f").write_text("")
    (deep / "f").chmod(0o664)
    assert "may write" in refused_file(deep / "f")
    (deep / "link").symlink_to("f")
    assert "is a symbolic link" in refused_file(deep / "link")
    os.mkfifo(deep / "fifo")
    assert "not a regular file" in refused_file(deep / "fifo")
    assert "not a regular file" in refused_file(deep)


@pytest.mark.root
def test_file_of_another_user(deep: Path) -> None:
    (deep / "f").write_text("")
    os.chown(deep / "f", STRANGER, STRANGER)
    assert f"belongs to user {STRANGER}" in refused_file(deep / "f")


def test_missing_file(deep: Path) -> None:
    with safepath.closing(safepath.open_dir(deep)) as parent, pytest.raises(FileNotFoundError):
        safepath.open_file(parent, "f", deep / "f")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ELOOP, errno.EIO])
def test_every_problem_has_a_hint(number: int) -> None:
    with pytest.raises(StoreError) as caught, safepath.explained(Path("/p"), "write"):
        raise OSError(number, "ignored")
    assert caught.value.what == f"/p: cannot write: {os.strerror(number)}"
    assert caught.value.hint
