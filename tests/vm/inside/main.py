"""The whole road on one kernel, in two boots; ``kheaders.boot=N`` of the kernel's command line tells which this is."""

from __future__ import annotations

import ctypes
import filecmp
import os
import shutil
import subprocess
import sys
import tarfile
import threading

from steps import PAYLOAD, PYTHON, USER, Steps, check, headers_anywhere, kheaders, run

SHOWN = "/sys/kernel/kheaders.tar.xz"
MODULE = f"{PAYLOAD}/kheaders_archive.ko"
ARCHIVE = f"{PAYLOAD}/kheaders.tar.xz"
RELEASE = os.uname().release
LOOPS, READERS = 100, 8
PROGRAMS = ("kprobe", "tracepoint", "fentry")
KEPT = {False: "/root/objects", True: "/home/user/objects"}
LIBC = ctypes.CDLL(None, use_errno=True)
FINIT_MODULE, DELETE_MODULE = 313, 176  # arch/x86/entry/syscalls/syscall_64.tbl
BLOB = "/var/cache/blob.kheaders"


def sources(doctor: dict[str, object]) -> dict[str, dict[str, object]]:
    rows = doctor["sources"]
    assert isinstance(rows, list)
    return {row["source"]: row for row in rows}


def hold_compile(user: bool) -> dict[str, object]:
    """Compile every program, from the blob alone, to where it stays for the next boot."""
    os.makedirs(KEPT[user], exist_ok=True)
    os.chown(KEPT[user], USER if user else 0, USER if user else 0)
    forms = {}
    for name in PROGRAMS:
        source, made = f"{PAYLOAD}/programs/{name}.bpf.c", f"{KEPT[user]}/{name}.o"
        words = ["-g", "-o", made, "-I", f"{PAYLOAD}/programs", "--blob", BLOB, "--json", source]
        answer = kheaders("compile", *words, user=user).json
        forms[name] = answer["form"]
        check(answer["form"] == "slice", f"{name}: not from a slice: {answer}")
    return forms


def hold_fire(user: bool) -> dict[str, object]:
    """Load what was compiled, attach it, and see it fire with what the headers' layouts say about this very process."""
    told: dict[str, object] = {}
    for name in PROGRAMS:
        done = run([PYTHON, f"{PAYLOAD}/loader.py", f"{KEPT[user]}/{name}.o"])
        facts = done.json
        seen = facts.get("seen")
        assert isinstance(seen, dict)
        check(facts["attached"] == 1 and seen["hits"] >= 1, f"{name}: {facts}")
        for fact in ("tgid", "parent", "comm"):
            check(seen[fact] == facts[fact], f"{name}: saw {fact} {seen[fact]}, which is {facts[fact]}")
        told[name] = seen["hits"]
    return told


def insert(path: str) -> None:
    """finit_module(2)."""
    with open(path, "rb") as file:
        if LIBC.syscall(FINIT_MODULE, file.fileno(), b"", 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def remove(name: str) -> None:
    """delete_module(2), without waiting for users."""
    if LIBC.syscall(DELETE_MODULE, name.encode(), os.O_NONBLOCK):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)


# ---- the first boot -------------------------------------------------------------------------------------------------


def nothing_is_here() -> None:
    check(not headers_anywhere(), headers_anywhere())
    check(not os.path.exists(SHOWN), "the kernel shows an archive")
    doctor = kheaders("doctor", "--json", expect=3).json
    check(doctor["chosen"] is None, doctor)


def module_needs_root() -> None:
    said = kheaders("module", "load", MODULE, user=True, expect=13).err
    check("only root" in said, said)


def module_of_another_kernel() -> None:
    said = kheaders("module", "load", f"{PAYLOAD}/other.ko", expect=13).err
    check("belongs to kernel" in said and RELEASE in said, said)


def module_of_a_lying_kernel() -> None:
    """A module whose words say this kernel, but that was built for another: the kernel itself refuses it."""
    with open(f"{PAYLOAD}/other.ko", "rb") as file:
        data = file.read()
    at = data.index(b"vermagic=") + len(b"vermagic=")
    theirs = data[at : data.index(b" ", at)]
    if len(theirs) < len(RELEASE):
        return
    lie = data[:at] + RELEASE.encode() + b" " * (len(theirs) - len(RELEASE)) + data[at + len(theirs) :]
    with open("/root/lying.ko", "wb") as file:
        file.write(lie)
    said = kheaders("module", "load", "/root/lying.ko", expect=13).err
    os.unlink("/root/lying.ko")
    check("built against headers that are not" in said or "cannot be loaded" in said, said)


def load() -> None:
    check(kheaders("module", "load", MODULE, "--json").json["changed"] is True, "not changed")
    check(filecmp.cmp(SHOWN, ARCHIVE, shallow=False), "what the kernel shows is not what was packed")
    status = kheaders("module", "status", "--json", user=True).json
    check((status["archive"], status["loaded"], status["size"]) == ("ours", True, os.path.getsize(ARCHIVE)), status)
    check(kheaders("module", "load", MODULE, "--json").json["changed"] is False, "changed again")


def doctor_finds_it() -> object:
    doctor = kheaders("doctor", "--json").json
    chosen = doctor["chosen"]
    assert isinstance(chosen, dict)
    check(chosen["source"] == "sysfs", chosen)
    return chosen


def user_finds_it() -> object:
    found = kheaders("locate", "--json", user=True).json
    check(found["source"] == "sysfs" and found["release"] == RELEASE, found)
    check(str(found["path"]).startswith(f"/run/user/{USER}/"), found)
    return found["path"]


def receive_the_blob() -> None:
    if os.path.exists(f"{PAYLOAD}/blob.kheaders.xz"):
        kheaders("blob", "import", f"{PAYLOAD}/blob.kheaders.xz", "-o", BLOB)
    else:
        shutil.copy(f"{PAYLOAD}/blob.kheaders", BLOB)
    kheaders("blob", "info", "--blob", BLOB, "--json", user=True)


def a_compile_from_full_headers() -> None:
    """As long as the headers are here: what the objects from slices must agree with."""
    source = f"{PAYLOAD}/programs/kprobe.bpf.c"
    words = ["-g", "-o", "/root/full.o", "-I", f"{PAYLOAD}/programs", "--form", "memory", "--json", source]
    check(kheaders("compile", *words).json["form"] == "memory", "another form")


def unload_and_delete() -> None:
    check(kheaders("module", "unload", "--json").json["changed"] is True, "not changed")
    check(not os.path.exists(SHOWN), "the kernel still shows the archive")
    kheaders("cache", "clear")
    kheaders("cache", "clear", user=True)
    check(not headers_anywhere(), headers_anywhere())
    check(kheaders("doctor", "--json", expect=3).json["chosen"] is None, "headers are still found")


def compile_as_root() -> object:
    return hold_compile(False)


def compile_as_user() -> object:
    return hold_compile(True)


def see_roots_fire() -> object:
    return hold_fire(False)


def see_users_fire() -> object:
    return hold_fire(True)


def rebuilt_headers_are_told_apart() -> object:
    """Headers of another configuration that state this very release: found, compared with the kernel's BTF, refused."""
    kheaders("module", "load", f"{PAYLOAD}/rebuilt.ko")
    doctor = kheaders("doctor", "--json", expect=3).json
    kheaders("module", "unload")
    row = sources(doctor)["sysfs"]
    check(doctor["chosen"] is None and "task_struct" in str(row["reason"]), row)
    return row["reason"]


def object_of_another_kernel_fires() -> object:
    """What was compiled once, with --core, loads and reads the right members here."""
    facts = run([PYTHON, f"{PAYLOAD}/loader.py", f"{PAYLOAD}/core.o"]).json
    seen = facts["seen"]
    assert isinstance(seen, dict)
    check(seen["hits"] >= 1 and all(seen[fact] == facts[fact] for fact in ("tgid", "parent", "comm")), facts)
    return seen


def load_read_unload_in_a_loop() -> object:
    """Readers never stop; they see the whole archive, none, or one that vanished under them, and nothing else."""
    with open(ARCHIVE, "rb") as file:
        whole = file.read()
    wrong: list[str] = []
    stop = threading.Event()
    reads = [0] * READERS

    def reader(number: int) -> None:
        at = number * 65536
        while not stop.wait(0.002):
            try:
                with open(SHOWN, "rb", buffering=0) as file:
                    for _ in range(8):
                        at = (at + 997_001) % len(whole)
                        data = os.pread(file.fileno(), 65536, at)
                        if data and data != whole[at : at + len(data)]:
                            wrong.append(f"{len(data)} bytes at {at} that are not the archive's")
                        reads[number] += bool(data)
            except OSError:  # not there, or gone meanwhile
                continue

    readers = [threading.Thread(target=reader, args=(number,)) for number in range(READERS)]
    for thread in readers:
        thread.start()
    try:
        for number in range(LOOPS):
            insert(MODULE)
            check(os.path.getsize(SHOWN) == len(whole), "the size is wrong")
            if number % 10 == 0:
                check(filecmp.cmp(SHOWN, ARCHIVE, shallow=False), "the archive is not whole")
            remove("kheaders_archive")
            check(not os.path.exists(SHOWN), "something is left")
    finally:
        stop.set()
        for thread in readers:
            thread.join()
    check(not wrong, wrong[:3])
    with open("/proc/modules") as listing:
        check("kheaders" not in listing.read(), "the module is left")
    check(min(reads) > 0, f"readers that read nothing: {reads}")
    return sum(reads)


def leave_stale_things() -> None:
    """What other tools, and an earlier boot, could leave behind for the next one to stumble on."""
    enough = ("./include/linux/k", "./include/generated/")  # bcc asks for kconfig.h alone
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(f"/tmp/kheaders-{RELEASE}", [entry for entry in tar if entry.name.startswith(enough)])
    os.symlink(f"/tmp/kheaders-{RELEASE}", f"/var/tmp/kheaders-{RELEASE}")


def no_oops() -> None:
    done = subprocess.run(["dmesg"], capture_output=True, text=True)
    bad = [line for line in done.stdout.splitlines() if "BUG:" in line or "WARNING:" in line or "Oops" in line]
    check(not bad, bad)


# ---- the second boot ------------------------------------------------------------------------------------------------


def nothing_stale_is_left() -> None:
    check(not os.path.exists(SHOWN), "the archive is shown")
    check(not os.path.exists("/run/kheaders") or not os.listdir("/run/kheaders"), "/run/kheaders is not empty")
    listed = kheaders("cache", "list", "--json").json
    entries = listed["entries"]
    assert isinstance(entries, list)
    check(not [entry for entry in entries if entry["kind"] == "tree"], listed)


def nothing_stale_is_used() -> None:
    check(os.path.exists(f"/tmp/kheaders-{RELEASE}/include/linux/kconfig.h"), "nothing stale is there to be used")
    for user in (False, True):
        check(kheaders("doctor", "--json", user=user, expect=3).json["chosen"] is None, "stale headers were found")
        kheaders("locate", user=user, expect=3)


def locked_down() -> None:
    """The second boot is locked down (lockdown=integrity): no module without a signature, and the reason is told."""
    with open("/sys/kernel/security/lockdown") as file:
        check("[integrity]" in file.read(), "the kernel is not locked down")
    said = kheaders("module", "load", MODULE, expect=13).err
    check("is locked down" in said or "asks for a signature" in said, said)
    check(not os.path.exists(SHOWN), "loaded all the same")


def main() -> int:
    """Run the steps of this boot."""
    os.makedirs(f"/run/user/{USER}", exist_ok=True)
    os.chown(f"/run/user/{USER}", USER, USER)
    os.chmod(f"/run/user/{USER}", 0o700)
    os.makedirs("/var/tmp", exist_ok=True)
    with open("/proc/cmdline") as file:
        number = 2 if "kheaders.boot=2" in file.read() else 1
    steps = Steps(f"boot{number}")
    first = (
        nothing_is_here,
        module_needs_root,
        module_of_another_kernel,
        module_of_a_lying_kernel,
        load,
        doctor_finds_it,
        user_finds_it,
        receive_the_blob,
        a_compile_from_full_headers,
        unload_and_delete,
        compile_as_root,
        compile_as_user,
        see_roots_fire,
        see_users_fire,
        load_read_unload_in_a_loop,
        leave_stale_things,
        no_oops,
    )
    second = (
        nothing_stale_is_left,
        nothing_stale_is_used,
        locked_down,
        compile_as_root,
        compile_as_user,
        see_users_fire,
        no_oops,
    )
    for function in first if number == 1 else second:
        steps.step(function)
    if number == 1 and os.path.exists(f"{PAYLOAD}/rebuilt.ko"):
        steps.step(rebuilt_headers_are_told_apart)
    if number == 1 and os.path.exists(f"{PAYLOAD}/core.o"):
        steps.step(object_of_another_kernel_fires)
    for name in PROGRAMS:
        if os.path.exists(f"/root/objects/{name}.o"):
            shutil.copy(f"/root/objects/{name}.o", f"/run/results/{name}.o")
    if number == 1 and os.path.exists("/root/full.o"):
        shutil.copy("/root/full.o", "/run/results/full.o")
    return 0 if steps.ok else 1


sys.exit(main())
