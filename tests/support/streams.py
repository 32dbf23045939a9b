"""Texts as engines stream them, and realistic ones that no guard may stop."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from rag.generation.engine import EngineEvent, Finished, TextDelta

ROOT = Path(__file__).resolve().parents[2]


def pieces(text: str, seed: int = 0, longest: int = 24) -> list[str]:
    """`text` cut at random."""
    chance = random.Random(seed)
    cut: list[str] = []
    start = 0
    while start < len(text):
        end = start + chance.randint(1, longest)
        cut.append(text[start:end])
        start = end
    return cut


def streamed(text: str, seed: int = 0) -> list[EngineEvent]:
    """`text` in random pieces, to a good end."""
    return [*map(TextDelta, pieces(text, seed)), Finished("stop")]


def good_texts() -> Iterator[tuple[str, str]]:
    """Names and texts: this repository's documents and code in both languages, and what answers look like."""
    for pattern in ("*.md", "docs/**/*.md", "ingest/samples/*.md", "deploy/**/*.md", "configs/**/*.y*ml"):
        for path in sorted(ROOT.glob(pattern)):
            yield from _parts(path)
    for pattern in ("rag/*/*.py", "ingest/parsing/*.py", "api/cli/*.py", "alembic/versions/*.py"):
        for path in sorted(ROOT.glob(pattern))[::3]:
            yield from _parts(path)
    yield from _written()


def _parts(path: Path, size: int = 4000) -> Iterator[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    for start in range(0, len(text), size):
        if part := text[
            start : start + size
        ].strip():  # a last part of nothing but a line's end is what the guards do stop
            yield f"{path.relative_to(ROOT)}:{start}", part


def _written() -> Iterator[tuple[str, str]]:
    rule = "─" * 80
    yield "ruler", f"결과\n{rule}\n항목  금액\n{rule}\n합계  1,200\n{'=' * 120}\n{'-' * 200}\n"
    yield (
        "wide table",
        "\n".join(
            ["| 부서 | " + " | ".join(f"{month}월" for month in range(1, 13)) + " |", "|" + " --- |" * 13]
            + [f"| {name} | " + " | ".join("해당 없음" for _ in range(12)) + " |" for name in ("인사", "재무", "법무")]
        ),
    )
    yield "zero table", "\n".join("| " + " | ".join("0" for _ in range(20)) + " |" for _ in range(25))
    yield "legal list", _legal_list()
    yield "numbered list", "\n".join(f"{n}. {n}번째 항목을 확인하고 담당자에게 알린다." for n in range(1, 60))
    yield "nothing to report", "\n".join(f"- {month}월: 해당 사항 없음" for month in range(1, 13)) * 3
    yield "dates", "\n".join(f"2026-{m:02d}-{d:02d} 정기 점검 완료, 이상 없음" for m in (1, 2, 3) for d in range(1, 29))
    yield "csv", "\n".join(f"{n},사용자{n},user{n}@example.com,활성" for n in range(150))
    yield "zero array", "static const uint8_t table[] = {\n" + "    0x00, 0x00, 0x00, 0x00, 0x00, 0x00,\n" * 20 + "};"
    yield "sql", "\n".join(f"INSERT INTO menu (id, name) VALUES ({n}, 'menu {n}');" for n in range(120))
    yield "html", "<table>\n" + "<tr><td></td><td></td><td></td><td></td></tr>\n" * 30 + "</table>"
    yield "asserts", "\n".join(f"    assert result[{n}] == expected[{n}]" for n in range(80))
    yield "tree", "\n".join("│   " * depth + "├── src" for depth in range(20))
    yield "boilerplate", _boilerplate()
    yield "hanja", _mixed_script()
    yield (
        "quoted",
        "논어의 첫 구절은 “學而時習之 不亦說乎 有朋自遠方來 不亦樂乎 人不知而不慍 不亦君子乎”이며, 배움의 기쁨을 말합니다.",
    )
    yield (
        "foreign names",
        "주요 공급사는 比亚迪, 宁德时代, 华为技术, 腾讯控股, 阿里巴巴, 京东方, 中芯国际, 小米集团, 联想集团, 海尔智家 등입니다.",
    )
    yield (
        "names alone",
        "比亚迪\n宁德时代\n华为技术\n腾讯控股\n阿里巴巴\n京东方\n中芯国际\n小米集团\n联想集团\n海尔智家\n美的集团\n格力电器",
    )
    yield (
        "languages",
        "지원 언어: 한국어, English, 中文, 日本語, Русский, العربية, ไทย, Ελληνικά, हिन्दी, Español, Français, עברית, Türkçe",
    )
    yield (
        "glossary",
        "\n".join(
            f"{word}는 {sense}을 뜻합니다."
            for word, sense in (("Россия", "러시아"), ("Москва", "모스크바"), ("банк", "은행"), ("рубль", "화폐")) * 4
        ),
    )
    yield "mathematics", "∑ᵢ₌₁ⁿ xᵢ² ≤ (∑|xᵢ|)², Δt = α·β/γ, λ₁ ≥ λ₂ ≥ … ≥ λₙ, ∀ε>0 ∃δ>0: |x−a|<δ ⇒ |f(x)−f(a)|<ε. " * 3
    yield (
        "latex",
        r"\frac{\partial L}{\partial w_{ij}} = \sum_{k} \delta_k \cdot \sigma'(z_k) x_{ij}, \quad \forall i, j " * 3,
    )
    yield "regex", r"(?P<year>\d{4})-(?P<month>\d{2})|^[^\W\d_]+(?:\.[a-z]+)*$|[!-/:-@\[-`{-~]+" "\n"
    yield (
        "base64",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\n" * 2,
    )
    yield "emoji", "✅ 완료 🎉\n⚠️ 주의: 👩‍💻 담당자 확인 🇰🇷\n" * 8
    yield (
        "french",
        "Le contrat prévoit une période d'essai de trois mois, à l'issue de laquelle le salarié est confirmé. " * 2,
    )
    yield (
        "vietnamese",
        "Hợp đồng lao động phải được lập thành văn bản và được ký kết giữa hai bên theo quy định của pháp luật. ",
    )
    yield (
        "broken example",
        "잘못 읽으면 `\ufffd\ufffd` 처럼 보입니다. UTF-8을 Latin-1로 읽으면 ì\x95\x88ë\x85\x95 처럼 됩니다.",
    )
    yield "laughter", "ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ 네, 그렇습니다!!! 하하하하하"
    yield "hex", "\n".join(f"{n:08x}: {'00 ' * 16} ................" for n in range(0, 320, 16))
    yield "song", "아리랑 아리랑 아라리요\n아리랑 고개로 넘어간다\n" * 4
    yield (
        "minified",
        "!function(e,t){'use strict';for(var n=0,r=t.length;n<r;++n)e[t[n]]=(e[t[n]]||0)+1;return e}({},[]);" * 3,
    )


def _legal_list() -> str:
    subjects = ("채용", "휴가", "휴직", "징계", "퇴직", "교육", "포상", "안전", "보건", "재해보상", "임금", "근로시간")
    articles = [
        f"제{n}조({subject}) ① 회사는 {subject}에 관한 사항을 별도의 규정으로 정한다.\n② 제1항에 따른 {subject}에 관하여 필요한 "
        f"세부 사항은 사장이 정한다.\n③ 다음 각 호의 어느 하나에 해당하는 경우에는 제1항을 적용하지 아니한다.\n"
        "  1. 법령에 다른 규정이 있는 경우\n  2. 사장이 필요하다고 인정하는 경우"
        for n, subject in enumerate(subjects, 1)
    ]
    return "\n\n".join(articles)


def _boilerplate() -> str:
    closing = "자세한 내용은 담당 부서에 문의하시기 바랍니다. 감사합니다."
    asked = ("여비", "휴가", "보안", "계정", "급여", "복지", "교육", "장비")
    return "\n\n".join(f"{item} 신청은 포털에서 하실 수 있습니다. {closing}" for item in asked)


def _mixed_script() -> str:
    return (
        "大韓民國은 民主共和國이다. 大韓民國의 主權은 國民에게 있고, 모든 權力은 國民으로부터 나온다. "
        "大韓民國의 國民이 되는 要件은 法律로 정한다. 國家는 法律이 정하는 바에 의하여 在外國民을 保護할 義務를 진다. "
        "甲은 乙에게 損害賠償(損害의 賠償)을 請求할 수 있다."
    )
