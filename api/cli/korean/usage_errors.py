"""Usage errors of the command line in Korean, read off the finished English sentence.

The parser writes most of its sentences in English without a way to translate them, so they are recognised here as they come.
"""

from __future__ import annotations

import re

_VALUES: tuple[tuple[str, str], ...] = (
    (r"Input should be a valid integer.*", "정수를 적으세요."),
    (r"Input should be a valid number.*", "수를 적으세요."),
    (r"Input should be a valid boolean.*", "true 또는 false를 적으세요."),
    (r"Input should be greater than or equal to (?P<bound>\S+)", "{bound} 이상이어야 합니다."),
    (r"Input should be less than or equal to (?P<bound>\S+)", "{bound} 이하여야 합니다."),
    (r"Input should be greater than (?P<bound>\S+)", "{bound}보다 커야 합니다."),
    (r"Input should be less than (?P<bound>\S+)", "{bound}보다 작아야 합니다."),
    (
        r"(?:Value error, )?(?P<given>'.*?') is not one of (?P<choices>.+?)\.?",
        "{given}은(는) 쓸 수 없습니다. 가능한 값: {choices}",
    ),
    (r"(?:Path|File|Directory) (?P<path>'.*') does not exist\.", "{path}이(가) 없습니다."),
    (r"(?:Path|File) (?P<path>'.*') is a directory\.", "{path}은(는) 폴더입니다. 파일을 지정하세요."),
    (r"(?:Path|Directory) (?P<path>'.*') is a file\.", "{path}은(는) 파일입니다. 폴더를 지정하세요."),
    (r"(?:Path|File|Directory) (?P<path>'.*') is not readable\.", "{path}을(를) 읽을 권한이 없습니다."),
    (r"(?:Path|File|Directory) (?P<path>'.*') is not writable\.", "{path}에 쓸 권한이 없습니다."),
)
"""What may be wrong with a value; pydantic's sentences, and those of the parser about paths."""

_SENTENCES: tuple[tuple[str, str], ...] = (
    (r"Missing command\.", "명령이 없습니다."),
    (r"Missing argument (?P<name>'.*?')\.", "인자 {name}이(가) 없습니다."),
    (r"Missing option (?P<name>'.*?')\.", "옵션 {name}이(가) 필요합니다."),
    (
        r"Missing (?:argument|option) (?P<name>'.*?')\. Choose from:\s*(?P<choices>.+)",
        "{name}이(가) 필요합니다. 가능한 값: {choices}",
    ),
    (
        r"No such option: (?P<name>\S+) \(Possible options: (?P<options>.*)\)",
        "{name} 옵션은 없습니다. 비슷한 옵션: {options}",
    ),
    (r"No such option: (?P<name>.*)", "{name} 옵션은 없습니다."),
    (r"No such command (?P<name>'.*?')\. Did you mean (?P<names>.*)\?", "{name} 명령은 없습니다. 비슷한 명령: {names}"),
    (r"No such command (?P<name>'.*')\.", "{name} 명령은 없습니다."),
    (r"Got unexpected extra argument\(s\) \((?P<given>.*)\)", "쓰이지 않는 인자가 있습니다: {given}"),
    (r"Option (?P<name>'.*?') requires an argument\.", "옵션 {name}에는 값이 필요합니다."),
    (r"Option (?P<name>'.*?') does not take a value\.", "옵션 {name}에는 값을 줄 수 없습니다."),
)
"""What may be wrong with a command line as a whole."""


def in_korean(sentence: str) -> str:
    """A usage error in Korean; a sentence that is not known, which is one of ours that speaks Korean itself, as it is."""
    found = re.fullmatch(r"Invalid value(?: for (?P<name>'[^']*'|[^:]*))?: (?P<reason>.*)", sentence, re.DOTALL)
    if found is None:
        return _first(_SENTENCES, sentence)
    reason = _first(_VALUES, found["reason"])
    return (
        f"{found['name']}의 값이 올바르지 않습니다: {reason}" if found["name"] else f"값이 올바르지 않습니다: {reason}"
    )


def _first(known: tuple[tuple[str, str], ...], sentence: str) -> str:
    for pattern, korean in known:
        if found := re.fullmatch(pattern, sentence, re.DOTALL):
            return korean.format(**{name: " ".join(value.split()) for name, value in found.groupdict().items()})
    return sentence
