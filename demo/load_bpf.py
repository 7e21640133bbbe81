"""Load the one program of a BPF object into the running kernel, and run it once on packets made here.

    python3 demo/load_bpf.py OBJECT [--json]

For programs without maps and relocations, of a type that the section's name tells: socket, xdp, tracepoint. It needs
nothing but the standard library and the system call bpf(2). Exit status: 0 loaded; 1 the kernel refused the program or
the object cannot be loaded this way; 77 this process may not load BPF programs, or the kernel has no bpf(2).
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import platform
import socket
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "s390x": 351, "ppc64le": 361}
"""Number of bpf(2) (arch/*/…/syscall*.tbl and include/uapi/asm-generic/unistd.h)."""

PROG_LOAD, PROG_TEST_RUN = 5, 10
"""enum bpf_cmd (include/uapi/linux/bpf.h)."""

TYPES = {"socket": 1, "tracepoint": 5, "xdp": 6}
"""Section name → enum bpf_prog_type (include/uapi/linux/bpf.h)."""

LOG_SIZE = 1 << 20
SKIPPED = 77


class NotLoadable(Exception):
    """The object cannot be loaded by this small loader, or the kernel refused it."""


class NotAllowed(Exception):
    """This process may not load BPF programs, or there is no bpf(2) here."""


@dataclass(frozen=True)
class Program:
    """The one program of an object: its section, bpf_prog_type, instructions and licence."""

    section: str
    kind: int
    instructions: bytes
    license: bytes


@dataclass(frozen=True)
class Outcome:
    """What the kernel said: instructions loaded, the verifier's last line, and the value returned for each packet."""

    section: str
    instructions: int
    verifier: str
    runs: dict[str, int]


def read_program(data: bytes) -> Program:
    """The program in a little-endian ELF64 object *data*; NotLoadable tells what is in the way."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise NotLoadable("not a little-endian 64-bit ELF object")
    try:
        (table,) = struct.unpack_from("<Q", data, 40)
        size, count, names = struct.unpack_from("<HHH", data, 58)
        headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + index * size) for index in range(count)]
        sections = [(_string(data, headers[names][4] + h[0]), h) for h in headers]
    except (struct.error, IndexError, ValueError) as error:
        raise NotLoadable(f"damaged ELF object ({error})") from error
    bodies = {name: data[h[4] : h[4] + h[5]] for name, h in sections if h[5]}
    programs = [name for name in bodies if name.split("/")[0] in TYPES]
    if len(programs) != 1:
        raise NotLoadable(f"{len(programs)} programs of the types {', '.join(TYPES)}; exactly one is needed")
    name = programs[0]
    if f".rel{name}" in bodies or f".rela{name}" in bodies:
        raise NotLoadable(f"{name} has relocations (maps or functions), which need a real loader such as libbpf")
    return Program(name, TYPES[name.split("/")[0]], bodies[name], bodies.get("license", b"\0"))


def load(program: Program) -> Outcome:
    """Load *program* and run it on each of :func:`packets`; it is unloaded again when this returns."""
    log = ctypes.create_string_buffer(LOG_SIZE)
    code = ctypes.create_string_buffer(program.instructions, len(program.instructions))
    license = ctypes.create_string_buffer(program.license)
    head = (program.kind, len(program.instructions) // 8, ctypes.addressof(code), ctypes.addressof(license))
    attr = struct.pack("<IIQQIIQ", *head, 1, LOG_SIZE, ctypes.addressof(log))
    try:
        descriptor = _bpf(PROG_LOAD, bytearray(attr.ljust(128, b"\0")))
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS):
            raise NotAllowed(f"bpf(2): {error.strerror}; run as root to load the program") from error
        lines = log.value.decode("utf-8", "replace").strip().splitlines()
        raise NotLoadable("\n".join([f"the kernel refused it: {error.strerror}", *lines[-12:]])) from error
    try:
        runs = (
            {name: _test_run(descriptor, packet) for name, packet in packets().items()}
            if program.kind == TYPES["socket"]
            else {}
        )
    finally:
        os.close(descriptor)
    lines = log.value.decode("utf-8", "replace").strip().splitlines() or ["accepted"]
    return Outcome(program.section, len(program.instructions) // 8, lines[-1], runs)


def packets() -> dict[str, bytes]:
    """Ethernet frames by what they are: the first segment of a TCP connection, a later one, a UDP datagram."""

    def frame(protocol: int, payload: bytes) -> bytes:
        source, target = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, source, target)
        return bytes(12) + struct.pack("!H", 0x0800) + ip + payload

    def segment(flags: int) -> bytes:
        return frame(socket.IPPROTO_TCP, struct.pack("!HHIIBBHHH", 40000, 443, 1, 0, 5 << 4, flags, 512, 0, 0))

    datagram = frame(socket.IPPROTO_UDP, struct.pack("!HHHH", 40000, 53, 8 + 12, 0) + bytes(12))
    return {"TCP SYN": segment(0x02), "TCP ACK": segment(0x10), "UDP": datagram}


def _test_run(descriptor: int, packet: bytes) -> int:
    data = ctypes.create_string_buffer(packet, len(packet))
    attr = bytearray(struct.pack("<IIIIQ", descriptor, 0, len(packet), 0, ctypes.addressof(data)).ljust(128, b"\0"))
    _bpf(PROG_TEST_RUN, attr)
    return int(struct.unpack_from("<I", attr, 4)[0])


def _bpf(command: int, attr: bytearray) -> int:
    number = SYSCALL.get(platform.machine())
    if number is None:
        raise NotAllowed(f"bpf(2): its number on {platform.machine()} is not known here")
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = (ctypes.c_char * len(attr)).from_buffer(attr)
    result = int(libc.syscall(ctypes.c_long(number), command, buffer, len(attr)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _string(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("utf-8", "replace")


def main(argv: list[str] | None = None) -> int:
    """Load the object named on the command line and print the outcome."""
    parser = argparse.ArgumentParser(description="Load the one program of a BPF object and run it on made-up packets.")
    parser.add_argument("object", type=Path)
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    args = parser.parse_args(argv)
    try:
        outcome = load(read_program(args.object.read_bytes()))
    except NotAllowed as error:
        print(f"not loaded: {error}", file=sys.stderr)
        return SKIPPED
    except (NotLoadable, OSError) as error:
        print(f"{args.object}: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(asdict(outcome)))
        return 0
    print(f"{args.object.name}: {outcome.instructions} instructions loaded into Linux {platform.release()}")
    print(f"  verifier: {outcome.verifier}")
    for packet, value in outcome.runs.items():
        print(f"  run on a made-up packet, {packet}: returned {value} ({'keeps' if value else 'drops'} it)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
