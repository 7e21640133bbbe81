"""Load a BPF object, attach every program in it, make a directory, and print what the map ``seen`` holds then: JSON.

    loader.py OBJECT

libbpf does all of it (bpf/libbpf.h); attaching by ``bpftool`` needs pinned links, which 5.10 does not have for kprobes.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys

SEEN = struct.Struct("<QII16s")
"""struct seen of programs/seen.h"""


def functions() -> ctypes.CDLL:
    lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
    pointer = ctypes.c_void_p
    for name, arguments, result in (
        ("bpf_object__open_file", [ctypes.c_char_p, pointer], pointer),
        ("bpf_object__load", [pointer], ctypes.c_int),
        ("bpf_object__next_program", [pointer, pointer], pointer),
        ("bpf_program__attach", [pointer], pointer),
        ("bpf_program__name", [pointer], ctypes.c_char_p),
        ("bpf_object__find_map_fd_by_name", [pointer, ctypes.c_char_p], ctypes.c_int),
        ("bpf_map_lookup_elem", [ctypes.c_int, pointer, pointer], ctypes.c_int),
        ("bpf_link__destroy", [pointer], ctypes.c_int),
        ("bpf_object__close", [pointer], None),
    ):
        function = getattr(lib, name)
        function.argtypes, function.restype = arguments, result
    return lib


def main() -> None:
    lib = functions()
    path = sys.argv[1]

    def fail(what: str) -> None:
        raise SystemExit(f"{path}: {what}: {os.strerror(ctypes.get_errno())}")

    obj = lib.bpf_object__open_file(path.encode(), None)
    if not obj:
        fail("cannot be opened")
    if lib.bpf_object__load(obj):
        fail("cannot be loaded")
    links = []
    program = lib.bpf_object__next_program(obj, None)
    while program:
        link = lib.bpf_program__attach(program)
        if not link:
            fail(f"{lib.bpf_program__name(program).decode()} cannot be attached")
        links.append(link)
        program = lib.bpf_object__next_program(obj, program)
    directory = f"/tmp/made-by-{os.getpid()}"
    os.mkdir(directory)
    os.rmdir(directory)
    facts: dict[str, object] = {"attached": len(links), "tgid": os.getpid(), "parent": os.getppid()}
    with open("/proc/self/comm") as file:
        facts["comm"] = file.read().strip()
    map_fd = lib.bpf_object__find_map_fd_by_name(obj, b"seen")
    if map_fd >= 0:
        key, value = ctypes.c_uint32(0), ctypes.create_string_buffer(SEEN.size)
        if lib.bpf_map_lookup_elem(map_fd, ctypes.byref(key), value):
            fail("the map seen cannot be read")
        hits, tgid, parent, comm = SEEN.unpack(value.raw)
        facts["seen"] = {"hits": hits, "tgid": tgid, "parent": parent, "comm": comm.split(b"\0")[0].decode()}
    for link in links:
        lib.bpf_link__destroy(link)
    lib.bpf_object__close(obj)
    print(json.dumps(facts))


main()
