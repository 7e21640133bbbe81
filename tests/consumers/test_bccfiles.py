from __future__ import annotations

from pathlib import Path

import pytest

from kheaders.consumers import bccfiles
from kheaders.errors import ToolError

LIBRARY = (
    b"\x7fELF\0\x02\n/* licence */\n#ifndef _UAPI__LINUX_BPF_H__\n#include <linux/types.h>\nenum one { ONE };\n"
    b"#endif\n\0\n#ifndef __BPF_HELPERS_H\n#include <uapi/linux/bpf.h>\n#include <asm/page.h>\n"
    b"int helper(void);\n#endif\n\0"
    b"other\0\n#ifndef __BCC_PROTO_H\n#include <uapi/linux/if_ether.h>\nstruct ip_t;\n#endif\n\0tail"
)


def test_texts_are_found_and_include_lines_are_apart() -> None:
    files = bccfiles.parse(LIBRARY)
    assert files.bpf_includes == ("linux/types.h",)
    assert files.helper_includes == ("uapi/linux/bpf.h", "asm/page.h")
    assert files.bpf == b"/* licence */\n#ifndef _UAPI__LINUX_BPF_H__\n\nenum one { ONE };\n#endif\n"
    assert b"int helper(void);" in files.helpers and b"#include" not in files.helpers
    assert b"#include <uapi/linux/if_ether.h>" in files.proto


@pytest.mark.parametrize("guard", [b"_UAPI__LINUX_BPF_H__", b"__BPF_HELPERS_H", b"__BCC_PROTO_H"])
def test_a_library_without_one_is_refused(guard: bytes) -> None:
    with pytest.raises(ToolError, match="not known"):
        bccfiles.parse(LIBRARY.replace(guard, b"X"))


def test_helpers_that_include_nothing_are_refused() -> None:
    with pytest.raises(ToolError, match="includes nothing"):
        bccfiles.parse(LIBRARY.replace(b"#include <uapi/linux/bpf.h>\n#include <asm/page.h>", b""))


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "libbcc.so.0").write_bytes(LIBRARY)
    assert bccfiles.read(tmp_path / "libbcc.so.0") == bccfiles.parse(LIBRARY)
    (tmp_path / "empty").touch()
    for name in ("missing", "empty"):
        with pytest.raises(ToolError, match="cannot be read"):
            bccfiles.read(tmp_path / name)


def test_not_loaded_here() -> None:
    with pytest.raises(ToolError, match="not loaded"):
        bccfiles.loaded()
