"""Build the bundled HWPX sample, 여비규정.hwpx, with the writer of the tests.

    python -m docs.samples.build_hwpx [--out DIR]

The company is made up. The writer states structure and little of the look: no fonts, no page borders.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.support.hwp_content import Footer, Footnote, Header, Paragraph, Part, merged_table, table
from tests.support.hwpx import hwpx_file

DEFAULT_OUT = Path(__file__).resolve().parents[2] / "ingest" / "samples"
NAME = "여비규정.hwpx"
FIXED_TIME = datetime(2025, 6, 20, 9, 0, tzinfo=UTC)
"""The same bytes on every build."""

TRAVEL_TABLE = merged_table(
    [
        (0, 0, 2, 1, "구분"),
        (0, 1, 1, 3, "교통비"),
        (0, 4, 2, 1, "일비(1일)"),
        (0, 5, 1, 2, "숙박비 상한(1박)"),
        (0, 7, 2, 1, "식비(1일)"),
        (1, 1, 1, 1, "철도"),
        (1, 2, 1, 1, "항공"),
        (1, 3, 1, 1, "자가용"),
        (1, 5, 1, 1, "서울·광역시"),
        (1, 6, 1, 1, "그 밖의 지역"),
        (2, 0, 1, 1, "임원"),
        (2, 1, 1, 1, "특실"),
        (2, 2, 3, 1, "일반석 실비"),
        (2, 3, 3, 1, "1km당 230원과 통행료"),
        (2, 4, 1, 1, "50,000원"),
        (2, 5, 1, 1, "180,000원"),
        (2, 6, 1, 1, "150,000원"),
        (2, 7, 1, 1, "45,000원"),
        (3, 0, 1, 1, "부장·지점장"),
        (3, 1, 2, 1, "일반실"),
        (3, 4, 1, 1, "35,000원"),
        (3, 5, 1, 1, "130,000원"),
        (3, 6, 1, 1, "110,000원"),
        (3, 7, 2, 1, "35,000원"),
        (4, 0, 1, 1, "직원"),
        (4, 4, 1, 1, "30,000원"),
        (4, 5, 1, 1, "110,000원"),
        (4, 6, 1, 1, "90,000원"),
    ],
    caption="별표 1의 국내 여비 지급 기준",
)
ABROAD_TABLE = table(
    [
        ["지역 등급", "해당 도시", "일비(1일)", "숙박비 상한(1박)", "식비(1일)"],
        ["가", "도쿄, 뉴욕, 런던, 싱가포르, 홍콩", "미화 40달러", "미화 280달러", "미화 90달러"],
        ["나", "상하이, 베이징, 프랑크푸르트, 시드니", "미화 35달러", "미화 210달러", "미화 75달러"],
        ["다", "하노이, 자카르타, 프놈펜, 그 밖의 도시", "미화 30달러", "미화 150달러", "미화 60달러"],
    ],
    caption="별표 2의 국외 여비 지급 기준",
)


def article(title: str, *lines: str | Sequence[Part]) -> list[Paragraph]:
    """An article's heading and its paragraphs."""
    body = [Paragraph(line) if isinstance(line, str) else Paragraph(*line) for line in lines]
    return [Paragraph(title, style="개요 2"), *body]


def chapter(title: str) -> list[Paragraph]:
    """A chapter's heading; the numbering writes 제1장."""
    return [Paragraph(title, outline=1)]


def rules() -> list[Paragraph]:
    """The whole document."""
    return [
        Paragraph(
            "여비 규정",
            Header("한빛저축은행 여비 규정 (HB-GA-REG-007)"),
            Footer("사내 한정"),
            style="제목",
            look="bold",
        ),
        Paragraph("제정 2012년 4월 2일, 제9차 개정 2025년 6월 20일, 시행 2025년 7월 1일, 소관부서 경영지원본부 총무부"),
        *_general(),
        *_home(),
        *_abroad(),
        *_settlement(),
        *_annexes(),
    ]


def _general() -> list[Paragraph]:
    return [
        *chapter("총칙"),
        *article(
            "제1조(목적)",
            "이 규정은 한빛저축은행(이하 “회사”라 한다)의 임원과 직원이 업무로 출장할 때 지급하는 여비의 종류와 금액, "
            "신청과 정산의 절차를 정함으로써 "
            "출장 경비를 공정하고 투명하게 집행하는 것을 목적으로 한다.",
        ),
        *article(
            "제2조(정의)",
            "이 규정에서 사용하는 용어의 뜻은 다음과 같다.",
            "1. “출장”이란 소속장의 명령에 따라 근무지에서 편도 12km 이상 떨어진 곳에서 업무를 보는 것을 말한다.",
            "2. “근거리 출장”이란 근무지에서 편도 12km 미만인 곳에서 업무를 보는 것을 말한다.",
            "3. “여비”란 교통비, 일비, 숙박비와 식비를 말한다.",
            "4. “실비”란 증빙 서류로 확인되는 실제 지출액을 말한다.",
        ),
        *article(
            "제3조(적용 범위)",
            "① 이 규정은 임원과 직원에게 적용한다.",
            "② 회사의 요청으로 출장에 동행하는 외부 전문가에게는 총무부장의 승인을 받아 직원에 준하여 여비를 지급할 수 있다.",
            "③ 교육 파견과 해외 주재는 따로 정하는 바에 따른다.",
        ),
        *article(
            "제4조(출장 명령)",
            "① 출장하려는 사람은 출발 3영업일 전까지 전자결재로 출장 명령을 받아야 한다. "
            "다만, 급한 사유가 있으면 먼저 출발하고 다음 영업일까지 명령을 받을 수 있다.",
            "② 국외 출장은 출발 14일 전까지 담당 본부장의 승인을 받아야 하며, "
            "출장 기간이 10일을 넘으면 대표이사의 승인을 받아야 한다.",
            "③ 출장 명령 없이 지출한 경비는 여비로 지급하지 않는다.",
        ),
    ]


def _home() -> list[Paragraph]:
    return [
        *chapter("국내 여비"),
        *article(
            "제5조(교통비)",
            "① 교통비는 철도, 버스, 항공, 선박의 운임으로 하며 별표 1의 등급에 따라 실비로 지급한다.",
            [
                "② 자가용을 이용하려면 소속장의 승인을 받아야 하고, "
                "유류비는 최단 경로의 거리에 1km당 230원을 곱한 금액으로 한다.",
                Footnote("유류비 단가는 총무부가 매년 1월과 7월의 전국 평균 유가를 반영하여 고시한다.", number=1),
            ],
            "③ 항공은 이동 거리가 편도 300km 이상이거나 도서 지역인 때에 이용할 수 있다.",
        ),
        *article(
            "제6조(일비)",
            "① 일비는 출장지에서 쓰는 시내 교통비와 잡비로서 출장 일수에 따라 별표 1의 정액을 지급한다.",
            "② 근거리 출장에는 4시간 이상이면 20,000원, 4시간 미만이면 10,000원을 지급한다.",
            "③ 회사의 차량을 이용한 출장에는 일비의 2분의 1을 지급한다.",
        ),
        *article(
            "제7조(숙박비)",
            "① 숙박비는 숙박한 밤의 수에 따라 별표 1의 상한 안에서 실비로 지급한다.",
            [
                "② 부득이한 사유로 상한을 넘긴 때에는 소속장의 확인을 받아 "
                "상한의 10분의 3을 넘지 않는 범위에서 더 지급할 수 있다.",
                Footnote(
                    "성수기의 숙박난, 행사 주최자가 지정한 숙소처럼 다른 숙소를 고를 수 없는 사유를 말한다.", number=2
                ),
            ],
            "③ 친지의 집 등 숙박비를 내지 않는 곳에 묵은 때에는 1박에 20,000원을 지급한다.",
        ),
        *article(
            "제8조(식비)",
            "① 식비는 출장 일수에 따라 별표 1의 정액을 지급한다.",
            "② 식사가 제공되는 교육과 행사에 참석한 때에는 제공된 끼니마다 식비의 3분의 1을 뺀다.",
        ),
    ]


def _abroad() -> list[Paragraph]:
    return [
        *chapter("국외 여비"),
        *article(
            "제9조(국외 교통비)",
            "① 국외 출장의 항공 운임은 임원은 비즈니스석, 직원은 일반석의 실비로 한다.",
            "② 비행시간이 9시간 이상이면 부장과 지점장도 비즈니스석을 이용할 수 있다.",
            "③ 항공 마일리지는 회사의 출장에 먼저 사용한다.",
        ),
        *article(
            "제10조(국외 일비 등)",
            "① 국외 출장의 일비, 숙박비와 식비는 별표 2의 지역 등급에 따른다.",
            "② 환율은 출발 전날의 매매기준율을 적용한다.",
            "③ 비자 발급비, 예방 접종비, 여행자 보험료와 로밍 요금은 실비로 지급한다.",
        ),
    ]


def _settlement() -> list[Paragraph]:
    return [
        *chapter("신청과 정산"),
        *article(
            "제11조(여비의 선급)",
            "① 출장자는 예상 경비의 10분의 8까지 미리 지급받을 수 있다.",
            "② 선급을 받은 사람이 정산을 마치지 않으면 다시 선급하지 않는다.",
        ),
        *article(
            "제12조(정산)",
            "① 출장자는 출장을 마친 날부터 7일 이내에 출장 보고서와 증빙 서류를 갖추어 여비를 정산하여야 한다.",
            "② 증빙은 법인카드 매출전표, 세금계산서, 현금영수증과 전자 승차권으로 한다.",
            "③ 30일이 지나도록 정산하지 않으면 선급한 금액을 다음 달 급여에서 공제한다. 이 경우 본인의 동의를 받는다.",
        ),
        *article(
            "제13조(부정 수령)",
            "① 거짓 증빙으로 여비를 받은 사람에게서는 그 금액의 2배를 회수하고 취업규칙에 따라 징계한다.",
            "② 총무부장은 분기마다 여비 집행 내역의 100분의 5를 표본으로 뽑아 점검하고 그 결과를 감사부에 알린다.",
        ),
        Paragraph("부칙", style="개요 1"),
        Paragraph("이 규정은 2025년 7월 1일부터 시행한다. 시행 전에 명령을 받은 출장에는 종전의 규정을 적용한다."),
    ]


def _annexes() -> list[Paragraph]:
    return [
        Paragraph("별표 1 국내 여비 지급 기준", style="개요 1"),
        Paragraph(TRAVEL_TABLE),
        Paragraph("별표 2 국외 여비 지급 기준", style="개요 1"),
        Paragraph(ABROAD_TABLE),
    ]


def main() -> None:
    """Command line entry point."""
    parser = argparse.ArgumentParser(description="Build the bundled HWPX sample.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="output folder")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    made = hwpx_file(rules(), title="여비 규정", author="경영지원본부 총무부", created=FIXED_TIME)
    (out / NAME).write_bytes(made)


if __name__ == "__main__":
    main()
