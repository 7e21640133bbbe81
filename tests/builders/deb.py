"""Debian packages and whole repositories of them, written without dpkg: ar(5), deb(5), and apt's repository format.

deb({"Package": "p"}, {"usr/src/x/include/a.h": b""})     # the bytes of one package
debian(release="6.1.0-9-cloud-amd64")                     # name → bytes: the arch package and its -common
ubuntu(), whole()                                         # the same for other layouts
repository(directory, packages, suite="bookworm")         # an unsigned archive that apt can read as file:
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from builders.archive import compress, tar
from builders.root import config_text, header_files

RELEASE = "6.1.0-99-cloud-amd64"
VERSION = "6.1.999-1"


def ar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """An ar archive as dpkg-deb writes it."""
    out = b"!<arch>\n"
    for name, data in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def deb(
    fields: Mapping[str, str], files: Mapping[str, bytes], links: Mapping[str, str] | None = None, *, kind: str = "xz"
) -> bytes:
    """One package; *kind* is how its parts are compressed, ``""`` for not at all."""
    ending = f".{kind}" if kind else ""
    control = "".join(f"{name}: {value}\n" for name, value in fields.items()).encode()
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{ending}", compress(tar({"control": control}), kind)),
            (f"data.tar{ending}", compress(tar(files, links=links), kind)),
        ]
    )


def fields_of(package: str, version: str, architecture: str, depends: str = "") -> dict[str, str]:
    """The control fields of one package."""
    fields = {"Package": package, "Version": version, "Architecture": architecture, "Maintainer": "T <t@example.org>"}
    if depends:
        fields["Depends"] = depends
    return {**fields, "Description": f"headers\n of {package}\n ."}


def generated(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of *files* that the build of a kernel makes."""
    return {path: data for path, data in files.items() if "/generated/" in path}


def sources(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of *files* that are in the source of a kernel."""
    return {path: data for path, data in files.items() if "/generated/" not in path}


def below(directory: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """*files* with their paths put below *directory*."""
    return {f"{directory}/{path}": data for path, data in files.items()}


def headers(release: str, srcarch: str = "x86") -> dict[str, bytes]:
    """A small whole header tree with a generated header of the architecture."""
    made = {f"arch/{srcarch}/include/generated/asm/made.h": b"#define MADE 1\n"}
    return {**header_files(release, srcarch), **made}


def debian(
    release: str = RELEASE,
    *,
    version: str = VERSION,
    architecture: str = "amd64",
    srcarch: str = "x86",
    kind: str = "xz",
) -> dict[str, bytes]:
    """Debian's pair: file name → package; the architecture's own comes first."""
    abi = release.removesuffix(f"-{architecture}").removesuffix("-cloud")
    common = f"linux-headers-{abi}-common"
    arch = f"linux-headers-{release}"
    files = headers(release, srcarch)
    other = {
        "arch/sparc/include/asm/page.h": b"#define PAGE_SHIFT 13\n",
        "include/uapi/linux/input.h": b"#define I 1\n",
    }
    own = {
        **generated(files),
        "Makefile": f"include /usr/src/{common}/Makefile\n".encode(),
        ".config": config_text({"CONFIG_SMP": "y"}).encode(),
    }
    source = {**sources(files), **other, "Makefile": b"VERSION = 6\n"}
    links = {
        f"lib/modules/{release}/build": f"/usr/src/{arch}",
        f"lib/modules/{release}/source": f"/usr/src/{common}",
        f"usr/src/{arch}/scripts": "../../lib/linux-kbuild-6.1/scripts",
    }
    common_links = {f"usr/src/{common}/include/dt-bindings/input.h": "../uapi/linux/input.h"}
    needs = f"{common} (= {version}), linux-kbuild-6.1 (>= {version})"
    return {
        f"{arch}_{version}_{architecture}.deb": deb(
            fields_of(arch, version, architecture, needs), below(f"usr/src/{arch}", own), links, kind=kind
        ),
        f"{common}_{version}_all.deb": deb(
            fields_of(common, version, "all"), below(f"usr/src/{common}", source), common_links, kind=kind
        ),
    }


def ubuntu(release: str = "5.15.0-91-generic", *, version: str = "5.15.0-91.101") -> dict[str, bytes]:
    """Ubuntu's pair: the flavour's tree reaches the other's directories by links."""
    base = f"linux-headers-{release.rpartition('-')[0]}"
    flavour = f"linux-headers-{release}"
    files = headers(release)
    links = {
        f"lib/modules/{release}/build": f"/usr/src/{flavour}",
        f"usr/src/{flavour}/include/linux": f"../../{base}/include/linux",
        f"usr/src/{flavour}/include/uapi": f"../../{base}/include/uapi",
        f"usr/src/{flavour}/arch/x86/include/asm": f"../../../../{base}/arch/x86/include/asm",
    }
    return {
        f"{flavour}_{version}_amd64.deb": deb(
            fields_of(flavour, version, "amd64", f"{base}, libc6 (>= 2.34)"),
            below(f"usr/src/{flavour}", generated(files)),
            links,
            kind="zst",
        ),
        f"{base}_{version}_all.deb": deb(
            fields_of(base, version, "all"), below(f"usr/src/{base}", sources(files)), kind="zst"
        ),
    }


def whole(release: str = "6.9.0-custom") -> dict[str, bytes]:
    """What ``make bindeb-pkg`` makes: one package with one tree."""
    name = f"linux-headers-{release}"
    links = {f"lib/modules/{release}/build": f"/usr/src/{name}"}
    package = deb(fields_of(name, "6.9.0-1", "amd64"), below(f"usr/src/{name}", headers(release)), links, kind="gz")
    return {f"{name}_6.9.0-1_amd64.deb": package}


def meta(name: str, depends: str, *, version: str = VERSION, architecture: str = "amd64") -> dict[str, bytes]:
    """A package with nothing in it that depends on others."""
    package = deb(fields_of(name, version, architecture, depends), {"usr/share/doc/x": b""})
    return {f"{name}_{version}_{architecture}.deb": package}


def write(directory: Path, packages: Mapping[str, bytes]) -> list[Path]:
    """Write packages into *directory*."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, data in packages.items():
        (directory / name).write_bytes(data)
        paths.append(directory / name)
    return paths


def repository(
    directory: Path, packages: Mapping[str, bytes], *, suite: str = "bookworm", architecture: str = "amd64"
) -> str:
    """An unsigned archive of *packages* at *directory*; its URI. Format: wiki.debian.org/DebianRepository/Format."""
    from kheaders.debpkg import control

    stanzas = []
    for path in write(directory / "pool", packages):
        fields = control(path)
        data = path.read_bytes()
        shown = {**fields, "Description": "headers", "Filename": f"pool/{path.name}", "Size": str(len(data))}
        shown["SHA256"] = hashlib.sha256(data).hexdigest()
        stanzas.append("".join(f"{name}: {value}\n" for name, value in shown.items()))
    index = "\n".join(stanzas).encode()
    where = f"main/binary-{architecture}/Packages"
    (directory / "dists" / suite / where).parent.mkdir(parents=True, exist_ok=True)
    (directory / "dists" / suite / where).write_bytes(index)
    release = (
        f"Origin: test\nSuite: {suite}\nCodename: {suite}\nArchitectures: {architecture}\nComponents: main\n"
        f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} {where}\n"
    )
    (directory / "dists" / suite / "Release").write_text(release)
    return f"file:{directory}"
