"""Secrets in texts and programs: private keys, keys and tokens of services, passwords.

The forms of tokens are public: their makers gave them prefixes so that they can be found. Every pattern begins at such a prefix
and is bounded (docs/decisions/0029-personal-data.md says why no library of such patterns is used).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from rag.access.personal_data.numbers import Candidate
from rag.domain.findings import Kind

_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_END = "-----END"
_LONGEST_KEY = 20_000
_BODY = re.compile(r"[A-Za-z0-9+/=\s\\\"',:-]{0,4000}")
_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])"))
    for kind, pattern in (
        (Kind.CLOUD_KEY, r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"),
        (Kind.CLOUD_KEY, r"AIza[0-9A-Za-z_-]{35}|GOCSPX-[0-9A-Za-z_-]{28}|ya29\.[0-9A-Za-z_-]{20,400}"),
        (Kind.CLOUD_KEY, r"(?<=AccountKey=)[A-Za-z0-9+/]{86}=="),
        (Kind.TOKEN, r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"),
        (Kind.TOKEN, r"gl(?:pat|dt|ft|soat|rt|cbt|ptt|imt|agent|oas)-[A-Za-z0-9_-]{20,200}"),
        (Kind.TOKEN, r"xox[abeoprs]-[A-Za-z0-9-]{10,200}|xapp-[0-9]-[A-Za-z0-9-]{10,200}"),
        (Kind.TOKEN, r"hooks\.slack\.com/services/T[A-Za-z0-9_]{6,14}/B[A-Za-z0-9_]{6,14}/[A-Za-z0-9_]{16,32}"),
        (Kind.TOKEN, r"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,2000}"),
        (Kind.TOKEN, r"[sr]k_(?:live|test)_[0-9A-Za-z]{16,99}|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{34}"),
        (Kind.TOKEN, r"sk-(?:proj-|svcacct-|ant-)?[A-Za-z0-9_-]{20,200}|pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,400}"),
        (Kind.TOKEN, r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}|sgk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}"),
        (Kind.TOKEN, r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{20,1000}"),
    )
)
_NEEDED: tuple[tuple[str, ...], ...] = tuple(
    tuple(words.split())
    for words in (
        "A3T ABIA ACCA AKIA ASIA",
        "AIza GOCSPX- ya29.",
        "AccountKey=",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        "glpat- gldt- glft- glsoat- glrt- glcbt- glptt- glimt- glagent- gloas-",
        "xox xapp-",
        "hooks.slack.com/services/",
        "eyJ",
        "k_live_ k_test_ npm_ hf_",
        "sk- pypi-",
        "SG. sgk_",
        "earer",
    )
)
"""Of which every token of each pattern holds one: most texts hold none, and looking for it is quick."""
_PARTS = [(part, place) for place, (_, needed) in enumerate(zip(_TOKENS, _NEEDED, strict=True)) for part in needed]
_SETTINGS = ("assword=", "ASSWORD=", "wd=", "WD=")
_NAMES = ("pass", "pwd", "secret", "token", "key", "credential", "비밀번호", "패스워드")
_ADDRESS = re.compile(r"://[^\s:/@'\"<>]{0,64}:([^\s@/'\"<>]{1,128})@(?=[A-Za-z0-9\[])")
_SETTING = re.compile(r"(?:;|\?|&|[Uu]id=\w{1,40};)\s?(?:[Pp]assword|PASSWORD|[Pp]wd|PWD)=([^;&\s\"'<>]{1,128})")
_NAME = (
    r"(pass(?:word|wd|phrase)|pwd|secret|token|api_?key|apikey|access_?key|private_?key|auth_?key|encryption_?key|credential|"
    r"비밀번호|패스워드)[a-z0-9_]{0,20}[\"']?\s{0,3}(?::=|=>|[:=])\s{0,3}"
)
_ASSIGNED = re.compile(
    _NAME
    + r"(?:[rbuf]?\"([^\"\n]{6,200})\"|[rbuf]?'([^'\n]{6,200})'|([^\s\"'`,;(){}\[\]<>$]{8,200})(?=\s{0,3}(?:$|\n|#)))",
    re.IGNORECASE,
)
FORMS = (
    *(re.escape(part) for part, _ in _PARTS),
    "-----BEGIN",
    _ADDRESS.pattern,
    _SETTING.pattern,
    rf"(?i:{_NAME}(?:[rbuf]?(?:\"[^\"\n]{{6}}|'[^'\n]{{6}})|[^\s\"'`,;(){{}}\[\]<>$]{{8}}))",  # how `_ASSIGNED` begins
)
"""Of which every secret in plain text holds one, for `rag.text.sieve`."""
_PLACEHOLDER = re.compile(
    r"\$\{|\{\{|%\(|<|\.\.\.|your[_-]|example|placeholder|dummy|sample|todo|none$|null$|env[.\[(]|os\.|getenv|process\.|"
    r"config\.|settings\.|^self\.|\{[a-z_]{1,40}\}|입력|예시",
    re.IGNORECASE,
)
_PASSWORD_NAMES = ("pass", "pwd", "비밀", "패스")
_LEAST_ENTROPY = 3.0
"""Bits a character. Random hexadecimal of 16 characters has 3.2 on average, words and names in program text have less with digits
in them than they need; detect-secrets takes 3.0 for hexadecimal."""
_SHORTEST = 16


def secrets(text: str, *, code: bool) -> Iterator[Candidate]:
    """What in `text` opens something; in programs also what is assigned to names that say so."""
    yield from _private_keys(text)
    yield from _tokens(text)
    for pattern, needed in ((_ADDRESS, ("://",)), (_SETTING, _SETTINGS)):
        if any(part in text for part in needed):
            for found in pattern.finditer(text):
                if _is_written(found.group(1)):
                    yield Candidate(*found.span(1), Kind.CREDENTIALS, 1.1)
    if code and _holds_name(text):
        for found in _ASSIGNED.finditer(text):
            group = next(number for number in (2, 3, 4) if found.group(number) is not None)
            if _is_secret(found.group(1).lower(), found.group(group)):
                yield Candidate(*found.span(group), Kind.SECRET, 0.9)


def _tokens(text: str) -> Iterator[Candidate]:
    for place in dict.fromkeys([place for part, place in _PARTS if part in text]):
        kind, pattern = _TOKENS[place]
        for found in pattern.finditer(text):
            yield Candidate(*found.span(), kind, 1.0)


def _holds_name(text: str) -> bool:
    """Whether anything can be assigned to a name of `_ASSIGNED`; folded as its pattern reads it."""
    plain = text.lower() if text.isascii() else text.casefold()
    return bool([name for name in _NAMES if name in plain])  # a generator takes longer than looking for all of them


def _private_keys(text: str) -> Iterator[Candidate]:
    """The bodies of private keys, up to their end where it is there."""
    end = 0
    for begin in _BEGIN.finditer(text):
        start = begin.end()
        if 0 <= end < start:
            end = text.find(_END, start)
        body = _BODY.match(text, start)
        stop = end if 0 <= end - start <= _LONGEST_KEY else body.end() if body is not None else start
        if any(char.isalnum() for char in text[start:stop]):
            yield Candidate(start, stop, Kind.PRIVATE_KEY, 2.0)


def _is_written(value: str) -> bool:
    """Whether a value stands there itself, and not the name of a place where it is kept."""
    return any(char.isalnum() for char in value) and _PLACEHOLDER.search(value) is None and len(set(value)) > 2


def _is_secret(name: str, value: str) -> bool:
    if not _is_written(value):
        return False
    if name.startswith(_PASSWORD_NAMES):
        return " " not in value.strip()
    mixed = any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
    return len(value) >= _SHORTEST and mixed and " " not in value and entropy(value) >= _LEAST_ENTROPY


def entropy(value: str) -> float:
    """Shannon's entropy of the characters of `value`, in bits each."""
    counts = Counter(value)
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values()) if value else 0.0
