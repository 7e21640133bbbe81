"""Of which kernel things are, and where two of them contradict each other."""

from __future__ import annotations

import pytest

from builders import btf as build
from kheaders.btf.calls import REMARKS, callable_from_bpf, helper_number, kfuncs
from kheaders.btf.origin import srcarch
from kheaders.btf.table import Btf
from kheaders.errors import UsageError
from kheaders.identity import Identity, contradiction, hold_together

BLOB = Identity("the blob a.kheaders", "6.1.0-9-amd64", "x86", "#1 SMP one", "aa")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Identity("--machine arm64", None, "arm64"), "--machine arm64 asks for arm64"),
        (Identity("--kernel 6.9.9", "6.9.9"), "--kernel 6.9.9 asks for 6.9.9"),
        (Identity("vmlinux", "6.1.0-9-amd64", "arm64"), "vmlinux is of 6.1.0-9-amd64 (arm64)"),
        (BLOB._replace(what="b", build_id="bb"), "b is of 6.1.0-9-amd64 (x86) with the build id bb"),
        (BLOB._replace(what="b", build_id=None, version="#2 SMP two"), "b is of 6.1.0-9-amd64 (x86) '#2 SMP two'"),
    ],
)
def test_a_fact_that_differs_is_refused_with_both_names(other: Identity, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        hold_together(BLOB, Identity("nothing known"), other)
    assert caught.value.what.startswith("the blob a.kheaders is of 6.1.0-9-amd64 (x86)") and words in caught.value.what
    assert contradiction(other, BLOB)


@pytest.mark.parametrize(
    "other",
    [
        Identity("raw BTF"),
        Identity("--machine x86_64", None, "x86"),
        Identity("--kernel 6.1.0-9-amd64", "6.1.0-9-amd64"),
        BLOB._replace(version="", build_id=None),
        BLOB._replace(version="#1 SMP one", build_id=None),
    ],
)
def test_what_is_not_known_contradicts_nothing(other: Identity) -> None:
    hold_together(BLOB, other)


@pytest.mark.parametrize(
    ("member", "arch"), [("orig_ax", "x86"), ("pstate", "arm64"), ("cp0_epc", "mips"), ("x", None)]
)
def test_the_architecture_of_btf_is_told_by_its_registers(member: str, arch: str | None) -> None:
    b = build.Btf()
    long = b.integer("long", 8)
    inner = b.struct("", 8, [(member, long, 0)])
    b.struct("pt_regs", 16, [("regs", long, 0), ("", inner, 64)])
    assert srcarch(Btf.parse(b.write())) == arch
    assert srcarch(Btf.parse(build.everything().write())) is None


class TestWhatBpfMayCall:
    @staticmethod
    def types(*, tagged: bool) -> Btf:
        b = build.Btf()
        number = b.integer("int", 4)
        proto = b.prototype(number, [("a", number)])
        functions = [b.function(name, proto) for name in ("may", "may_not", "bpf_get_current_comm")]
        if tagged:
            b.decl_tag("bpf_kfunc", functions[0])
        b.enum("bpf_func_id", {"BPF_FUNC_unspec": 0, "BPF_FUNC_get_current_comm": 16, "__BPF_FUNC_MAX_ID": 17})
        return Btf.parse(b.write())

    def test_only_what_is_tagged(self) -> None:
        btf = self.types(tagged=True)
        may, may_not = (btf.find(name)[0] for name in ("may", "may_not"))
        assert kfuncs(btf) == frozenset([may])
        assert (callable_from_bpf(btf, may), callable_from_bpf(btf, may_not)) == ("kfunc", "no")

    def test_without_tags_nothing_is_claimed(self) -> None:
        btf = self.types(tagged=False)
        assert kfuncs(btf) is None and callable_from_bpf(btf, btf.find("may")[0]) == "unknown"

    def test_helpers_by_their_number(self) -> None:
        btf = self.types(tagged=True)
        assert helper_number(btf, "bpf_get_current_comm") == 16
        assert helper_number(btf, "bpf_may") is None and helper_number(btf, "may") is None

    def test_as_c(self) -> None:
        from kheaders.btf.cprint.vmlinux import alone, definitions

        btf = self.types(tagged=True)
        texts = {name: alone(btf, btf.find(name)[0]) for name in ("may", "may_not", "bpf_get_current_comm")}
        assert texts["may"] == 'extern int may(int a) __attribute__((weak, section(".ksyms")));\n'
        assert texts["may_not"] == f"extern int may_not(int a); /* {REMARKS['no']} */\n"
        assert texts["bpf_get_current_comm"].startswith("/* bpf_get_current_comm: helper 16, declared by libbpf's")
        btf = self.types(tagged=False)
        assert "ksyms" not in "".join(definitions(btf, btf.find("may"))) and "no BTF" in alone(btf, btf.find("may")[0])
