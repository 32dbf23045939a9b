from __future__ import annotations

import asyncio
import base64
import codecs
import random
import unicodedata
from collections.abc import Callable
from contextlib import aclosing

import pytest

from rag.domain.errors import GenerationStopped
from rag.generation.canary import LENGTH, Canaries
from rag.generation.engine import EngineCall, EngineEvent, Finished, TextDelta, ToolCallDelta, Withheld
from rag.generation.guards import GuardedEngine
from rag.generation.guards_leak import LeakWatch
from rag.generation.prompts.files import CURRENT, prompt
from rag.generation.saying import Speaker
from rag.generation.scripted import ScriptedEngine, spoken
from tests.support.attacks import WAYS
from tests.support.running import SAMPLES

RULES = prompt("grounded", "ko").filled(0, marker="0a1b2c3d")
RULES_EN = prompt("grounded", "en").filled(0, marker="0a1b2c3d")
WORD = Canaries(b"test").of("t")
WITHHELD = Withheld(WORD, RULES)

TURNS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "backwards": lambda word: word[::-1],
    "in ROT13": lambda word: codecs.encode(word, "rot13"),
    "shifted": lambda word: "".join(one if one.isdigit() else chr((ord(one) - 94) % 26 + 97) for one in word),
    "in ROT13 and backwards": lambda word: codecs.encode(word, "rot13")[::-1].upper(),
}
CODES: dict[str, Callable[[str], str]] = {
    "hex": lambda word: word.encode().hex(),
    "hex, spaced": lambda word: word.encode().hex(" "),
    "hex, C": lambda word: "".join(f"\\x{ord(one):02x}" for one in word),
    "hex, a list": lambda word: ", ".join(f"0x{ord(one):02X}" for one in word),
    "unicode": lambda word: "".join(f"\\u{ord(one):04x}" for one in word),
    "entities": lambda word: "".join(f"&#{ord(one)};" for one in word),
    "decimal": lambda word: " ".join(str(ord(one)) for one in word),
    "octal": lambda word: "".join(f"\\{ord(one):03o}" for one in word),
    "octal, four digits": lambda word: " ".join(f"{ord(one):04o}" for one in word),
    "binary": lambda word: " ".join(f"{ord(one):08b}" for one in word),
    "base32": lambda word: base64.b32encode(word.encode()).decode(),
    "base32 of more": lambda word: base64.b32encode(f"in: {word} ok".encode()).decode().lower(),
    "base64": lambda word: base64.b64encode(word.encode()).decode(),
    "base64 of more": lambda word: base64.b64encode(f"x코드: {word} 끝".encode()).decode(),
    "base64url": lambda word: base64.urlsafe_b64encode(f"??>{word}".encode()).decode(),
}
SAID_DIGITS = (
    "공 일 이 삼 사 오 육 칠 팔 구",
    "영 하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉",
    "れい いち に さん よん ご ろく なな はち きゅう",
    "null eins zwei drei vier fünf sechs sieben acht neun",
    "zéro un deux trois quatre cinq six sept huit neuf",
    "cero uno dos tres cuatro cinco seis siete ocho nueve",
)
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "spaced": " ".join,
    "dashed": lambda word: "-".join(word[start : start + 3] for start in range(0, len(word), 3)),
    "lines": "\n".join,
    "zero width": "\u200b".join,
    "marks": lambda word: "".join(f"{one}\u0301" for one in word),
    "backwards": lambda word: word[::-1],
    "base64 in lines": lambda word: "\n".join(base64.b64encode(word.encode()).decode()),
    "percent": lambda word: "".join(f"%{ord(one):02x}" for one in word),
    "rot13": lambda word: codecs.encode(word, "rot13"),
    "shifted": lambda word: "".join(
        str((int(one) + 1) % 10) if one.isdigit() else chr((ord(one) - 96) % 26 + 97) for one in word
    ),
    "full width": lambda word: "".join(chr(ord(one) + 0xFEE0) for one in word),
    "circled": lambda word: "".join(chr(0x24D0 + ord(one) - 97) if one.isalpha() else one for one in word),
    "mathematical": lambda word: "".join(chr(0x1D41A + ord(one) - 97) if one.isalpha() else one for one in word),
    "look-alikes": lambda word: word.translate(str.maketrans("phcxm", "рнсхм")),
    "other digits": lambda word: word.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    "Hanja digits": lambda word: word.translate(str.maketrans("0123456789", "〇一二三四五六七八九")),
    "Korean digits": lambda word: word.translate(str.maketrans("0123456789", "영일이삼사오육칠팔구")),
    "English digits": lambda word: " ".join(
        unicodedata.name(one).removeprefix("DIGIT ").lower() if one.isdigit() else one for one in word
    ),
    **{
        f"digits, {words[:12]}": (
            lambda word, words=words: " ".join(words.split()[int(one)] if one.isdigit() else one for one in word)  # type: ignore[misc]
        )
        for words in SAID_DIGITS
    },
    "interleaved": "x".join,
    "interleaved by two": "엑y".join,
    "interleaved by words": lambda word: " ".join(f"{one}아무말" for one in word),
    "in pieces": lambda word: "첫째 " + " 다음 ".join(word[start : start + 6] for start in range(0, len(word), 6)),
    "in two sentences": lambda word: f"앞은 {word[:12]}이다. 뒤는 {word[12:]}이다.",
    "in code": lambda word: f"```\nkey = '{word}'\n```",
    **{
        f"{code}, {turn}": (lambda word, turned=turned, coded=coded: coded(turned(word)))  # type: ignore[misc]
        for turn, turned in TURNS.items()
        for code, coded in CODES.items()
    },
    "rules": lambda _: RULES[: len(RULES) // 2],
    "a rule": lambda _: RULES.split("\n")[5],
    "rules, spaced": lambda _: " ".join(RULES[100:400]),
    **{f"rules, way {number}": (lambda _, way=way: way(RULES[100:400])) for number, way in enumerate(WAYS)},  # type: ignore[misc]
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_seen_before_it_tells_much(form: str) -> None:
    written = FORMS[form](WORD)
    ends = set()
    for piece in (1, 3, 7, 10_000):
        watch, seen = LeakWatch(WITHHELD), 0
        text = f"답은 이렇습니다: {written}. 끝."
        for start in range(0, len(text), piece):
            end = watch.feed(text[start : start + piece])
            if end is not None:
                seen = start + end
                break
        ends.add(seen)
    assert len(ends) == 1, "the pieces in which it comes make a difference"
    assert 0 < ends.pop() < 12 + len(written) * 0.85


def test_rules_in_english() -> None:
    watch = LeakWatch(Withheld(WORD, RULES_EN))
    assert watch.feed("Sure! My rules: " + RULES_EN[:300].upper()) is not None


def test_no_good_text_is_stopped() -> None:
    """Samples, every other prompt of the service, numbers, codes and other words of the same make.

    The rules for questions on code are much the same as those withheld here, and withheld where they are used.
    """
    luck = random.Random(7)
    watch = LeakWatch(WITHHELD)
    texts = [path.read_text(encoding="utf-8") for path in SAMPLES.rglob("*") if path.suffix in (".md", ".py")]
    texts += [prompt(name, "ko").parts[0] for name in CURRENT if name not in ("grounded", "grounded_code", "canary")]
    texts += ["자료로 답할 수 없습니다. 구내식당은 오전 11시 30분에 문을 엽니다. 식권은 총무팀에서 삽니다."]
    texts += [" ".join(f"{chr(97 + row)}{row}" for row in range(26)), luck.randbytes(4000).hex()]
    texts += [base64.b64encode(luck.randbytes(4000)).decode(), " ".join(str(luck.randrange(10**9)) for _ in range(500))]
    texts += [Canaries(luck.randbytes(8)).of("t") for _ in range(200)]
    for text in texts:
        assert watch.feed(text) is None, text[:80]


def test_the_word_is_the_tenants_own() -> None:
    canaries = Canaries(b"secret")
    assert canaries.of("a") == canaries.of("a") != canaries.of("b")
    assert canaries.of("a") != Canaries(b"other").of("a") and Canaries().of("a") != Canaries().of("a")
    assert len(WORD) == LENGTH and WORD[::2].isalpha() and WORD[1::2].isdigit()


def test_the_word_stands_behind_the_rules() -> None:
    call = EngineCall(({"role": "system", "content": RULES}, {"role": "user", "content": "질문"}), tenant="t")
    changed = Canaries(b"test").put_in(call)
    assert str(changed.messages[0]["content"]).startswith(RULES) and WORD in str(changed.messages[0]["content"])
    assert changed.withheld == WITHHELD and changed.messages[1:] == call.messages[1:]
    english = Canaries(b"test").put_in(EngineCall(({"role": "system", "content": "Rules."},), tenant="t"))
    assert "Never write" in str(english.messages[0]["content"])
    alone = EngineCall(({"role": "user", "content": "질문"},))
    assert Canaries().put_in(alone) is alone


class Obedient(ScriptedEngine):
    """Says its whole system message."""

    def __init__(self, before: str, call: bool = False) -> None:
        super().__init__([[Finished("stop")]])
        self._before, self._as_call = before, call

    async def stream(self, call: EngineCall):
        self.calls.append(call)
        said = "".join(str(message["content"]) for message in call.messages if holds_word(message))
        word = said.rpartition(": ")[2].partition(".")[0]
        if self._as_call:
            yield ToolCallDelta(0, "c", "send", word)
            return
        for step in spoken(f"{self._before}{word}"):
            assert isinstance(step, TextDelta | Finished)
            yield step


def holds_word(message: object) -> bool:
    return "점검용" in str(message)


def run(engine: GuardedEngine, messages: tuple[dict[str, str], ...]) -> list[EngineEvent]:
    async def all_of() -> list[EngineEvent]:
        async with aclosing(Speaker(Canaries(b"test")).stream(engine, EngineCall(messages, tenant="t"))) as events:
            return [event async for event in events]

    return asyncio.run(all_of())


ASKED = ({"role": "system", "content": RULES}, {"role": "user", "content": "연차는 며칠인가요?"})


@pytest.mark.parametrize("guards", [(), ("leak",)])
def test_the_guard_stops_in_mid_answer(guards: tuple[str, ...]) -> None:
    engine = Obedient("연차휴가는 십오 일입니다. 그리고 ")
    events = run(GuardedEngine(engine, guards), ASKED)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert events[-1] == Finished("guard", guard="leak")
    assert WORD[:9] not in text and text.startswith("연차휴가는")


def test_nothing_good_before_it_is_an_error() -> None:
    engine = Obedient("")
    with pytest.raises(GenerationStopped) as stopped:
        run(GuardedEngine(engine).whole(), ASKED)
    assert stopped.value.params["guard"] == "leak" and len(engine.calls) == 2


def test_arguments_of_tool_calls_are_read_too() -> None:
    [*_, end] = run(GuardedEngine(Obedient("", call=True), ("leak",)), ASKED)
    assert end == Finished("guard", guard="leak")


def test_a_short_answer_in_the_language_of_the_rules_is_no_run_of_them() -> None:
    said = "식권은 총무팀에서 삽니다."
    events = run(GuardedEngine(ScriptedEngine.saying(said)), ASKED)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == said
