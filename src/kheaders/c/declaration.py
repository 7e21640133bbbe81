"""One top-level declaration of C: what it declares and defines, what it refers to, and which types it needs complete.

This is no parser of C. It reads tokens of text that a compiler has accepted (C11 6.7 and 6.9, GNU attributes, and what
C23 adds), and may err on the side of more references, never of fewer: a slice that holds a declaration too many is the
same program. Nothing depends on how deep things are nested, and all is linear in the number of tokens.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from kheaders.c.lexer import tokens

Kind = Literal["struct", "union", "enum", "typedef", "prototype", "inline", "variable", "forward", "other"]

TAG_WORDS = frozenset((b"struct", b"union", b"enum"))
IF_NO_BOOL = b"#if !defined(true) && (__STDC_VERSION__ < 202000L || (defined(__clang__) && __clang_major__ < 15))\n"
"""Opens a group that declares ``bool``, ``false`` or ``true``, for compilers to which these are no keywords (C23).

clang has them as keywords from version 15 on, in each mode for C23; in others <stdbool.h> may define them. To ask for
``true`` itself in ``#if`` is a warning.
"""
_TYPES = (
    b"auto char double float int long short signed unsigned void _Bool _Complex __signed __signed__ __int128 "
    b"__auto_type __complex__ __complex _Imaginary"
)
_QUALIFIERS = (
    b"const volatile restrict __const __const__ __volatile __volatile__ __restrict __restrict__ static extern inline "
    b"__inline __inline__ register _Noreturn _Thread_local __thread thread_local"
)
_TYPES_IN_PARENTHESES = b"typeof __typeof __typeof__ typeof_unqual __typeof_unqual __typeof_unqual__ _Atomic _BitInt"
_ATTRIBUTE_WORDS = (
    b"__attribute__ __attribute asm __asm __asm__ _Alignas alignas __declspec _Static_assert static_assert"
)
_STATEMENTS = (
    b"break case continue default do else for goto if return sizeof switch while _Alignof alignof _Generic "
    b"__extension__ __label__ __alignof__ __alignof __builtin_offsetof __func__ __real__ __imag__"
)

KEYWORDS = frozenset(
    b" ".join(
        (b"struct union enum typedef", _TYPES, _QUALIFIERS, _TYPES_IN_PARENTHESES, _ATTRIBUTE_WORDS, _STATEMENTS)
    ).split()
)
"""Words that name nothing. ``bool``, ``true``, ``nullptr`` and the like are names before C23, so they are not here."""

ATTRIBUTES = frozenset(_ATTRIBUTE_WORDS.split())
"""Words with parentheses after them that declare nothing."""

# Classes of tokens; identifiers, literals and most operators have none. The first four are parts of specifiers.
_TAG_WORD, _TYPE, _QUALIFIER, _TYPE_GROUP, _OPEN_PAREN, _OPEN_BRACKET, _OPEN_BRACE, _CLOSE, _CLOSE_BRACE = range(9)
_COMMA, _SEMICOLON, _COLON, _EQUALS, _STAR, _TYPEDEF, _ATTRIBUTE, _OTHER = range(9, 17)
_CLASSES: dict[bytes, int] = {
    b"(": _OPEN_PAREN,
    b"[": _OPEN_BRACKET,
    b"{": _OPEN_BRACE,
    b")": _CLOSE,
    b"]": _CLOSE,
    b"}": _CLOSE_BRACE,
    b",": _COMMA,
    b";": _SEMICOLON,
    b":": _COLON,
    b"=": _EQUALS,
    b"*": _STAR,
    b"^": _STAR,
    b"typedef": _TYPEDEF,
    **dict.fromkeys(TAG_WORDS, _TAG_WORD),
    **dict.fromkeys(_TYPES.split(), _TYPE),
    **dict.fromkeys(_QUALIFIERS.split(), _QUALIFIER),
    **dict.fromkeys(_TYPES_IN_PARENTHESES.split(), _TYPE_GROUP),
    **dict.fromkeys(_ATTRIBUTE_WORDS.split(), _ATTRIBUTE),
    **dict.fromkeys(_STATEMENTS.split(), _OTHER),
    **dict.fromkeys((b"\\", b"`", b"|", b"||", b"|=", b"^=", b"~"), _OTHER),
}
_ACCESS = frozenset((b".", b"->"))
_REFERRING = _ACCESS | TAG_WORDS
_FILE, _RECORD, _ENUM, _EXPRESSION, _PARAMETERS = range(5)
_BEFORE_PARAMETER_TYPE = frozenset((b"(", b",", b"...", b"]", b")", *_QUALIFIERS.split()))
"""What may stand before the type of a parameter; where it stands before the name, that counts as a type."""
_AFTER_PARAMETER_NAME = frozenset((b",", b")", b"[", b"__attribute__", b"__attribute"))
_BEFORE_DECLARATION = frozenset((b";", b"{", b"}", b"(", b",", b"static", b"const", b"volatile", b"register"))
_AFTER_DECLARATOR = frozenset((b";", b"=", b",", b"[", b")"))
_DECLARATOR_STARTS = frozenset((b"*", b"^", b"("))
"""What may follow the parenthesis around a declarator, and begins no parameter."""
_LITERAL_STARTS = frozenset(bytes((byte,)) for byte in b"\"'0123456789")
_ASM_QUALIFIERS = frozenset((b"volatile", b"__volatile__", b"__volatile", b"inline", b"__inline__", b"goto"))
_ARITHMETIC = frozenset((b"[", b"+", b"-", b"++", b"--", b"+=", b"-="))
_SIGNS = frozenset((b"+", b"-", b"++", b"--"))
_BEFORE_UNARY = frozenset((*range(_OPEN_PAREN, _STAR), _OTHER))
"""Classes of tokens after which a ``*`` is an indirection, or may be one."""


class Definition(NamedTuple):
    """The definition of a struct, union or enum within a declaration."""

    keyword: bytes
    """``struct``, ``union`` or ``enum``."""
    tag: bytes
    """Empty for one without a tag."""
    names: tuple[bytes, ...]
    """Its own members, without those of unnamed records within; of an enum its constants."""


class Declaration(NamedTuple):
    """What was read off one declaration. Tags carry no ``struct``: they have a name space of their own."""

    kind: Kind
    names: tuple[bytes, ...] = ()
    """Ordinary names declared: functions, variables, typedef names, enumeration constants."""
    tags: tuple[bytes, ...] = ()
    """Tags defined, nested ones too, which C puts into the file's scope."""
    words: frozenset[bytes] = frozenset()
    """Ordinary names referred to, as far as they can be global ones."""
    strong: frozenset[bytes] = frozenset()
    """Tags whose complete type is needed."""
    weak: frozenset[bytes] = frozenset()
    """Tags of which the incomplete type suffices: records that are only pointed to."""
    members: frozenset[bytes] = frozenset()
    """Names of members that the definitions in it own."""
    touched: frozenset[bytes] = frozenset()
    """Names of members that its code accesses, after ``.`` or ``->``."""
    embedded: tuple[bytes, ...] = ()
    """Tags of records that are members without a name of their own (``-fms-extensions``)."""
    definitions: tuple[Definition, ...] = ()
    """Of records and enums, in the order of their closing braces."""


def read(text: bytes, function: bool) -> Declaration | None:
    """What the declaration *text* declares; None for one that declares nothing (assertions, assembly, semicolons).

    *function* tells that it is the definition of a function.
    """
    if b"#" in text:  # a pragma, as Pages keep it with a declaration
        text = b"\n".join(line for line in text.split(b"\n") if not line.lstrip().startswith(b"#"))
    if function:
        return _function(tokens(_PLAIN_ATTRIBUTE.sub(b" ", text)))
    found = tokens(text)
    start = 0
    while start < len(found) and found[start] in _EMPTY:
        start += 1
    if start == len(found) or found[start] in _NOT_DECLARED:
        return None
    return _Reader(found[start:] if start else found).declaration()


def names(text: bytes, function: bool) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """(ordinary names, tags) that the declaration *text* defines; prototypes and forward declarations define none."""
    if function:
        reader = _Reader(tokens(text[: text.find(b"{") + 1]), function=True)
        reader.walk()
        if not reader.body:  # that brace was the one of a type
            reader = _Reader(tokens(text), function=True)
            reader.walk()
        return tuple(reader.declared), tuple(reader.tags)
    found = read(text, function)
    if found is None or found.kind in ("prototype", "forward"):
        return (), ()
    return found.names, found.tags


def tags(found: list[bytes]) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """(tags whose complete type is needed, those of which the incomplete type suffices) in any tokens of C."""
    references = _References(found)
    strong = references.strong | references.used_whole() if references.pointers else references.strong
    return frozenset(strong), frozenset(references.weak - strong)


def defined_tags(found: list[bytes]) -> frozenset[bytes]:
    """The tags that any tokens of C define."""
    reader = _Tokens(found)
    tagged = ((at, *reader.tag(at + 1)) for at, token in enumerate(found) if token in TAG_WORDS)
    return frozenset(
        tag
        for at, tag, end in tagged
        if tag and end < len(found) and (found[end] == b"{" or (found[end] == b":" and found[at] == b"enum"))
    )


def attributes(found: list[bytes]) -> frozenset[bytes]:
    """The names of attributes in any tokens of C: ``packed`` in ``__attribute__((packed, aligned(N)))``."""
    names = set()
    depth = 0
    inside = False
    for token in found:
        if token in (b"__attribute__", b"__attribute"):
            inside, depth = True, 0
        elif inside:
            depth += (token == b"(") - (token == b")")
            inside = depth > 0
            if depth == 2 and is_name(token):
                names.add(token)
    return frozenset(names)


def variables(found: list[bytes]) -> frozenset[bytes]:
    """Names of variables, parameters and members that any tokens of C declare, functions' bodies included.

    A product, ``a * b``, is not told from a declaration of a pointer; one that stands in parentheses is taken for it.
    """
    names = set()
    found = [b";", *found]
    reader = _Tokens(found)
    last = len(found)
    at = 0
    while at < last:
        token = found[at]
        at += 1
        if token not in _BEFORE_DECLARATION:
            continue
        typed = False
        while at < last:
            kind = _CLASSES.get(found[at])
            if kind in (_QUALIFIER, _ATTRIBUTE):
                at = max(reader.past_attributes(at), at + 1)
            elif kind == _TYPE:
                at, typed = at + 1, True
            elif kind == _TAG_WORD:
                tag, at = reader.tag(at + 1)
                typed = tag != b""
            elif kind is None and not typed and is_name(found[at]):
                at, typed = at + 1, True
            else:
                break
        pointer = False
        while at < last and (found[at] == b"*" or _CLASSES.get(found[at]) == _QUALIFIER):
            pointer = pointer or found[at] == b"*"
            at += 1
        if not typed or at + 1 >= last or not is_name(found[at]) or found[at + 1] not in _AFTER_DECLARATOR:
            continue
        if not (pointer and found[at + 1] in (b",", b")")):
            names.add(found[at])
    return frozenset(names)


_PLAIN_ATTRIBUTE = re.compile(rb"__attribute__\(\(\w++\)\)")
"""Refers to nothing; functions begin with several, as the kernel's ``inline`` stands for them."""
_EMPTY = frozenset((b";", b"__extension__"))
_NOT_DECLARED = frozenset((b"_Static_assert", b"static_assert", b"asm", b"__asm", b"__asm__", b"@"))


def is_name(token: bytes) -> bool:
    """Whether a token is an identifier and no keyword."""
    return (token[0] > 0x40 or token[0] == 0x24) and token[-1] not in b"\"'" and token not in _CLASSES


def _function(found: list[bytes]) -> Declaration:
    reader = _Reader(found, function=True)
    reader.walk()
    references = _References(found)
    touched = references.touched
    if references.pointers:
        references.strong |= references.used_whole()
    others = [*found, b";"]
    for at in references.accesses:
        others[at + 1] = b";"
    own = reader.tags
    names = reader.declared
    return Declaration(
        "inline",
        tuple(names),
        tuple(reader.tags),
        frozenset(
            [word for word in set(others) if (word[0] > 0x40 or word[0] == 0x24) and word[-1] not in b"\"'"]
        ).difference(_CLASSES, names),
        frozenset(references.strong.difference(own)),
        frozenset(references.weak.difference(own, references.strong)),
        frozenset(reader.members),
        frozenset(touched),
        (),
        tuple(reader.definitions),
    )


class _Tokens:
    """Tokens, with what is around tags."""

    def __init__(self, found: list[bytes]) -> None:
        self.tokens = found
        self._ends: dict[int, int] | None = None

    def _behind(self, at: int) -> int:
        """Behind the parentheses or brackets that open at *at*, if they do."""
        if self._ends is None:
            ends = self._ends = {}
            opened: list[int] = []
            for number, token in enumerate(self.tokens):
                if token in (b"(", b"["):
                    opened.append(number)
                elif token in (b")", b"]") and opened:
                    ends[opened.pop()] = number + 1
            ends.update(dict.fromkeys(opened, len(self.tokens)))
        return self._ends.get(at, at)

    def past_attributes(self, at: int) -> int:
        """Behind attributes and qualifiers."""
        found = self.tokens
        last = len(found)
        while at < last:
            token = found[at]
            kind = _CLASSES.get(token)
            if kind == _ATTRIBUTE:
                at = self._behind(at + 1)
            elif kind == _QUALIFIER or token in (b"_Atomic", b"__extension__"):
                at += 1
            elif token == b"[" and at + 1 < last and found[at + 1] == b"[":
                at = self._behind(at)
            else:
                break
        return at

    def tag(self, at: int) -> tuple[bytes, int]:
        """The tag, perhaps none, of the keyword before *at*, and where it ends."""
        found = self.tokens
        if at < len(found) and found[at] in _CLASSES:
            at = self.past_attributes(at)
        if at < len(found) and is_name(found[at]):
            return found[at], at + 1
        return b"", at

    def is_dereferenced(self, keyword: int, star: int) -> bool:
        """Whether a cast to a pointer is dereferenced: ``*(struct s *)p``."""
        found = self.tokens
        if star + 1 >= len(found) or found[star + 1] != b")":
            return False
        at = keyword - 1
        while at > 0 and _CLASSES.get(found[at]) == _QUALIFIER:
            at -= 1
        return at > 0 and found[at] == b"(" and found[at - 1] == b"*"


class _References(_Tokens):
    """The tags that tokens refer to, in whatever order declarations and expressions come."""

    def __init__(self, found: list[bytes]) -> None:
        super().__init__(found)
        self.strong: set[bytes] = set()
        self.weak: set[bytes] = set()
        self.pointers: dict[bytes, bytes] = {}
        """Names that are declared as pointers to records → tag."""
        self.accesses: list[int] = []
        """Places of ``.`` and ``->``."""
        depth = done = 0
        for at in [number for number, token in enumerate(found) if token in _REFERRING]:
            word = found[at]
            if word in _ACCESS:
                self.accesses.append(at)
                continue
            tag, end = self.tag(at + 1)
            if not tag:
                continue
            following = found[end] if end < len(found) else b""
            if following == b"*" and word != b"enum":
                star = end
            elif following == b"{" or (following == b":" and word == b"enum"):
                continue  # a definition
            elif following == b";" and word != b"enum":
                between = found[done:at]
                depth += between.count(b"{") - between.count(b"}")
                done = at
                if depth > 0:  # a member without a name
                    self.strong.add(tag)
                continue
            else:
                star = self.past_attributes(end)
            if word == b"enum" or star >= len(found) or found[star] != b"*" or self.is_dereferenced(at, star):
                self.strong.add(tag)
            else:
                self.weak.add(tag)
                self._declarators(self.past_attributes(star + 1), tag)
        names = (found[at + 1] for at in self.accesses if at + 1 < len(found))
        self.touched = {name for name in names if is_name(name)}
        """Members that are accessed."""

    def _declarators(self, at: int, tag: bytes) -> None:
        """The names of ``struct s *a, *b, c;``, from the first one on."""
        found, last = self.tokens, len(self.tokens)
        while at < last and is_name(found[at]):
            self.pointers[found[at]] = tag
            if at + 3 >= last or found[at + 1] != b",":
                return
            if found[at + 2] != b"*":
                if is_name(found[at + 2]) and found[at + 3] in (b",", b";", b"=", b"["):
                    self.strong.add(tag)
                return
            at = self.past_attributes(at + 3)

    def used_whole(self) -> set[bytes]:
        """Tags of records that are used as a whole by way of pointers: ``*p = *q``, ``p[1]``, ``p + 1``.

        What may be a product counts as well.
        """
        found, pointers = self.tokens, self.pointers
        last = len(found) - 1
        whole = set()
        for at in [number for number, token in enumerate(found) if token in pointers]:
            first, end = at - 1, at + 1
            while first > 0 and end < last and found[first] == b"(" and found[end] == b")":
                first -= 1
                end += 1
            before = found[first] if first >= 0 else b";"
            after = found[end] if end <= last else b";"
            if before == b"*":
                earlier = found[first - 1] if first else b";"
                kind = _CLASSES.get(earlier)
                used = not is_name(earlier) if kind is None else kind in _BEFORE_UNARY
            else:
                called = end > at + 1 and (before == b")" or is_name(before))
                signed = before in _SIGNS and after not in _ACCESS
                used = signed or (after in _ARITHMETIC and not called and before not in _ACCESS)
            if used:
                whole.add(pointers[found[at]])
        return whole


_Outer = tuple[int, list[bytes], bytes, bytes, bytes, bool, bool, bool, bool, bool, int, list[bytes]]
"""What :meth:`_Reader.walk` keeps of a declaration while it reads the body of a record or enum within."""


class _Reader(_Tokens):
    """Goes through the tokens of one declaration; of a function up to its body."""

    def __init__(self, found: list[bytes], function: bool = False) -> None:
        super().__init__(found)
        self._function = function
        self.declared: list[bytes] = []
        self.tags: list[bytes] = []
        self.definitions: list[Definition] = []
        self.words: set[bytes] = set()
        self.strong: set[bytes] = set()
        self.weak: set[bytes] = set()
        self.members: set[bytes] = set()
        self.touched: set[bytes] = set()
        self.embedded: list[bytes] = []
        self.first = ""
        """``prototype`` or ``variable``: what the first declarator makes of its name."""
        self.is_typedef = False
        self.body = False
        """Whether the body of a function follows."""
        self.forward = False
        """Whether it may be nothing but ``struct s;``."""

    def declaration(self) -> Declaration:
        """What was read."""
        self.walk()
        kind: Kind
        if self.is_typedef:
            kind = "typedef"
        elif self.first:
            kind = "prototype" if self.first == "prototype" else "variable"
        elif self.definitions:
            kind = self.definitions[-1].keyword.decode()  # type: ignore[assignment]  # one of the three words
        else:
            kind = "forward" if self.forward else "other"
        declared, defined = tuple(self.declared), self.tags
        strong = self.strong.difference(defined)
        return Declaration(
            kind,
            declared,
            tuple(defined),
            frozenset(self.words.difference(declared)),
            frozenset(strong),
            frozenset(self.weak.difference(defined, strong)),
            frozenset(self.members),
            frozenset(self.touched),
            tuple(self.embedded),
            tuple(self.definitions),
        )

    def walk(self) -> None:
        """Read the tokens."""
        found = self.tokens
        classes = _CLASSES.get
        words, touched, strong, weak = self.words, self.touched, self.strong, self.weak
        groups: list[int] = []  # the modes around parentheses, brackets and braces
        bodies: list[_Outer] = []  # what is around the bodies of records and enums
        mode = _FILE
        into = self.declared
        keyword = tag = b""
        # of the declaration, or member, that is being read
        name = before = b""  # what may be its name: the last identifier; and the identifier right before that
        fixed = False  # nothing that follows can be its name
        typed = False  # a type came before the name
        starred = False  # a pointer came before the name, in the same parentheses
        is_function = value = False
        nested = 0  # parentheses around the declarator
        pointed: list[bytes] = []  # records that its first declarator may point to
        alone = b""  # a tag that nothing has followed so far
        last = len(found)
        at = 0
        while at < last:
            token = found[at]
            at += 1
            kind = classes(token)
            if kind is None:
                if (token[0] <= 0x40 and token[0] != 0x24) or token[-1] in b"\"'":
                    continue  # a number, a literal, an operator
                if mode == _PARAMETERS:
                    following = found[at] if at < last else b""
                    if found[at - 2] in _BEFORE_PARAMETER_TYPE or following not in _AFTER_PARAMETER_NAME:
                        words.add(token)
                elif mode == _EXPRESSION or value:
                    (touched if found[at - 2] in _ACCESS else words).add(token)
                elif mode == _ENUM:
                    into.append(token)
                    value = True
                elif not fixed:
                    if name:
                        words.add(name)
                        typed = True
                    before, name = name, token
                elif is_function and not typed:  # a call of a macro stands before the declaration
                    words.add(name)
                    before, name, fixed, is_function = b"", token, False, False
                else:
                    words.add(token)
                continue
            if kind == _OTHER:
                continue
            declarator = mode <= _RECORD and not value
            if kind <= _TYPE_GROUP and declarator:
                # a part of the specifiers: what was taken for the name is one as well
                if not fixed:
                    if name:
                        words.add(name)
                        name, typed = b"", True
                elif is_function and not typed:
                    words.add(name)
                    name, fixed, is_function = b"", False, False
                typed = typed or kind != _QUALIFIER
            if kind in (_QUALIFIER, _TYPE):
                continue
            if kind == _TYPEDEF:
                self.is_typedef = self.is_typedef or mode == _FILE
                continue
            if kind == _TAG_WORD:
                start = at
                one, at = self.tag(at)
                if at > start + 1 or (at > start and not one):
                    self._attributes(found[start : at - 1])
                if token == b"enum" and at < last and found[at] == b":":
                    at = self._underlying(at, mode)
                after = found[at] if at < last else b""
                if after == b"{":
                    at += 1
                    bodies.append(
                        (mode, into, keyword, tag, name, fixed, typed, starred, is_function, value, nested, pointed)
                    )
                    mode = _ENUM if token == b"enum" else _RECORD
                    into, keyword, tag = [], token, one
                    name = before = alone = b""
                    fixed = typed = starred = is_function = value = False
                    nested, pointed = 0, []
                    if one:
                        self.tags.append(one)
                elif one:
                    star = self.past_attributes(at)
                    after = found[star] if star < last else b";"
                    if after == b"*" and token != b"enum":
                        (strong if self.is_dereferenced(start - 1, star) else weak).add(one)
                        if declarator:
                            pointed.append(one)
                    elif declarator and after == b";":
                        self.forward = mode == _FILE
                        alone = one if token != b"enum" else b""
                    else:
                        strong.add(one)
                continue
            if kind in (_TYPE_GROUP, _ATTRIBUTE):
                while at < last and found[at] in _ASM_QUALIFIERS:
                    at += 1
                if at < last and found[at] == b"(":
                    at += 1
                    groups.append(mode)
                    mode = _EXPRESSION
                continue
            if kind <= _OPEN_BRACE:
                opened = _EXPRESSION
                if mode == _PARAMETERS:
                    if kind == _OPEN_PAREN:
                        opened = _PARAMETERS
                elif declarator:
                    following = found[at] if at < last else b""
                    if kind == _OPEN_PAREN and fixed:
                        if found[at - 2] == b")" and not starred:
                            is_function = True
                        if is_function or starred:
                            opened = _PARAMETERS
                    elif kind == _OPEN_PAREN and name:
                        if following[:1] in _LITERAL_STARTS:  # no parameter is one: a macro for an attribute
                            words.add(name)
                            name, before = before, b""
                        elif following in _DECLARATOR_STARTS or (not typed and _is_in_parentheses(found, at)):
                            words.add(name)
                            name, typed, starred = b"", True, False
                            nested += 1
                            continue
                        else:
                            fixed = is_function = True
                            opened = _PARAMETERS
                    elif kind == _OPEN_PAREN:
                        nested += 1
                        starred = False
                        continue
                    elif kind == _OPEN_BRACKET:
                        fixed = fixed or (following != b"[" and name != b"")
                    elif self._function and mode == _FILE:
                        self.body = True
                        break
                groups.append(mode)
                mode = opened
                continue
            if kind == _CLOSE:
                if mode >= _EXPRESSION:
                    mode = groups.pop()
                elif declarator and nested:
                    nested -= 1
                    fixed = fixed or name != b""
                continue
            if mode >= _EXPRESSION:
                if kind == _CLOSE_BRACE:
                    mode = groups.pop()
                continue
            if mode == _ENUM:
                if kind == _COMMA:
                    value = False
                elif kind == _CLOSE_BRACE:
                    self.definitions.append(Definition(keyword, tag, tuple(into)))
                    self.declared += into
                    (mode, into, keyword, tag, name, fixed, typed, starred, is_function, value, nested, pointed) = (
                        bodies.pop()
                    )
                continue
            if kind == _STAR:
                if declarator and not fixed:
                    if name:
                        words.add(name)
                        name, typed = b"", True
                    starred = True
            elif kind == _EQUALS:
                fixed = value = True
            elif kind == _COLON:  # the width of a bit-field
                if declarator:
                    if name and not typed:
                        words.add(name)
                        name = b""
                    typed = fixed = value = True
            elif kind == _COMMA:
                if nested or (self._function and mode == _FILE):
                    continue
                if name and typed:
                    self._declare(mode, into, name, is_function)
                elif name:
                    words.add(name)
                if pointed and found[at : at + 1] != [b"*"]:
                    strong.update(pointed)
                name = before = b""
                fixed = starred = is_function = value = False
            elif kind == _SEMICOLON or (kind == _CLOSE_BRACE and mode == _RECORD):
                if kind == _SEMICOLON and self._function and mode == _FILE:
                    continue  # declarations of parameters, in the old style
                if name and typed:
                    self._declare(mode, into, name, is_function)
                elif name:
                    words.add(name)
                if alone and mode == _RECORD:
                    self.embedded.append(alone)
                    strong.add(alone)
                elif alone and mode == _FILE:
                    weak.add(alone)
                name = before = alone = b""
                fixed = typed = starred = is_function = value = False
                nested, pointed = 0, []
                if kind == _CLOSE_BRACE:
                    self.definitions.append(Definition(keyword, tag, tuple(into)))
                    self.members.update(into)
                    (mode, into, keyword, tag, name, fixed, typed, starred, is_function, value, nested, pointed) = (
                        bodies.pop()
                    )
        if mode == _FILE:
            if name and typed:
                self._declare(mode, into, name, is_function)
            elif name:
                words.add(name)
            if alone:
                weak.add(alone)

    def _declare(self, mode: int, into: list[bytes], name: bytes, is_function: bool) -> None:
        into.append(name)
        if mode == _FILE and not self.first:
            self.first = "prototype" if is_function else "variable"

    def _attributes(self, between: list[bytes]) -> None:
        """What attributes between a keyword and its tag refer to."""
        self.words.update(filter(is_name, between))
        strong, weak = tags(between)
        self.strong |= strong
        self.weak |= weak

    def _underlying(self, colon: int, mode: int) -> int:
        """Where the underlying type of an enum ends that begins at *colon*; there itself for that of a bit-field."""
        found = self.tokens
        at = colon + 1
        while at < len(found) and (_CLASSES.get(found[at]) in (_TYPE, _QUALIFIER, _TYPE_GROUP) or is_name(found[at])):
            at = self._behind(at + 1) if _CLASSES.get(found[at]) == _TYPE_GROUP else at + 1
        if at < len(found) and found[at] != b"{" and mode != _FILE:
            return colon
        self.words.update(filter(is_name, found[colon + 1 : at]))
        return at


def _is_in_parentheses(found: list[bytes], at: int) -> bool:
    """Whether a declarator is in the parentheses before *at*, and no parameter: ``t (f)(int)``."""
    if _CLASSES.get(found[at] if at < len(found) else b"") == _ATTRIBUTE:
        return True
    return at + 2 < len(found) and is_name(found[at]) and found[at + 1] == b")" and found[at + 2] in (b"(", b"[")
