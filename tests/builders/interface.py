"""Headers of a made-up kernel that hold one of everything a blob can hold, and small enough to build in a moment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builders.mini import mini
from kheaders.clang.find import find
from kheaders.headers.headerset import HeaderSet
from kheaders.interface.build import build

ANIMALS = """\
#ifndef _LINUX_ANIMALS_H
#define _LINUX_ANIMALS_H
#include <linux/types.h>
#include <asm/paws.h>

enum {
	LEGS_MAX = 4,
};
enum animal_kind { ANIMAL_CAT, ANIMAL_DOG = 7, ANIMAL_OWL };
union animal_id { u32 number; char tag[4]; };
struct animal {
	enum animal_kind kind;
	union animal_id id;
	struct paw { u32 size; } paws[LEGS_MAX];
	struct animal *next;
};
typedef struct animal animal_t;
typedef int (*animal_fn)(struct animal *);
extern struct animal first_animal;
extern int animal_feed(struct animal *animal, unsigned int grams);
static inline u32 animal_weight(const struct animal *animal)
{
	return animal->paws[0].size * LEGS_MAX * PAW_SIZE;
}

#define ANIMAL_NAME "cat \\"Tom\\" \\\\ \\t\\n\\001"
#define ANIMAL_LIMIT (PAW_SIZE * LEGS_MAX + 1)
#define ANIMAL_MASK (~(ANIMAL_LIMIT - 1UL))
#define ANIMAL_LEAST (-2147483647 - 1)
#define ANIMAL_HUGE 0xffffffffffffffffULL
#define ANIMAL_NONE ((void *)0)
#define ANIMAL_FIRST (&first_animal)
#define ANIMAL_INIT { .kind = ANIMAL_DOG }
#define ANIMAL_MADE(k) ((struct animal){ .kind = (k) })
#define ANIMAL_WEIGHT animal_weight(&first_animal)
#define ANIMAL_EMPTY
#define ANIMAL_ZERO 0
#define ANIMAL_SPEED 10
#endif
"""

FILES: Mapping[str, bytes] = {
    "include/linux/animals.h": ANIMALS.encode(),
    "include/linux/fast.h": b"#include <linux/animals.h>\n#undef ANIMAL_SPEED\n#define ANIMAL_SPEED 90\n",
    "include/uapi/linux/birds.h": b"#define BIRD_WINGS 2\nstruct bird { int wings; };\n",
    "arch/x86/include/asm/paws.h": b"#define PAW_SIZE 3\n",
    "arch/x86/include/uapi/asm/paws.h": b"#define PAW_COUNT 4\n",
    "include/linux/refuses.h": b"#error not on this machine\n",
    "include/linux/asks.h": b"#include <linux/no_such_thing.h>\n",
    # a real kernel's preprocessed headers have megabytes; as little as a few kilobytes means that something failed
    "include/linux/padding.h": "".join(f"#define PADDING_NUMBER_{i} {i}\n" for i in range(3000)).encode(),
}


def headers(extra: Mapping[str, bytes] | None = None) -> HeaderSet:
    """The headers, with *extra* ones."""
    return HeaderSet(mini(extra={**FILES, **(extra or {})}), name="made-up headers")


def built(path: Path, extra: Mapping[str, bytes] | None = None) -> Path:
    """Their blob, at *path*."""
    build(headers(extra), find(None), path, kernel={"release": "made-up"}, workers=1)
    return path


def release(path: Path) -> str:
    """The release of the kernel that a blob is of."""
    from kheaders.interface.blob import Blob

    with Blob(path) as blob:
        return str(blob.meta["release"])


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of a blob's file."""
    import sqlite3
    from contextlib import closing

    from kheaders.interface.schema import TABLE_NAMES

    with closing(sqlite3.connect(path)) as database:
        return {name: sorted(database.execute(f"SELECT * FROM {name}")) for name in TABLE_NAMES}
