"""Sentences with made-up identifiers, and with what only looks like one. Shares no code with the detector, on purpose.

Check digits and formats are written down again here, from the rules of those who give the numbers out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

KO_NAMES = ("김민수", "이서연", "박지훈", "최유진", "정하늘", "한도윤", "오세라", "장보람")
EN_NAMES = ("Minsu Kim", "Grace Lee", "Jihoon Park", "Dana Choi", "Mark Han", "Sora Oh")
FULL_WIDTH = str.maketrans("0123456789-", "０１２３４５６７８９－")
_DASHES = ("–", "‐", "−", "ㅡ", " - ", "－")


@dataclass(frozen=True, slots=True)
class Case:
    """A text, and where in it something stands.

    Attributes:
        kind: of a positive, the name that the detector should give; of a look-alike, what it really is.
        span: start and end of the value in `text`.
    """

    kind: str
    text: str
    span: tuple[int, int]
    positive: bool


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _birthday(rng: random.Random, year: int) -> str:
    return f"{year % 100:02d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"


def _thirteen(rng: random.Random, sexes: str, foreign: bool) -> str:
    """A resident or foreigner number; a third as they are given out since October 2020, without a check digit."""
    old = rng.random() < 0.7
    year = rng.randint(1940, 1999) if old else rng.randint(2000, 2025)
    head = _birthday(rng, year) + rng.choice(sexes[:2] if old else sexes[2:])
    if rng.random() < 0.33:
        return head + _digits(rng, 6)
    body = head + _digits(rng, 5)
    total = sum(int(d) * (i % 8 + 2) for i, d in enumerate(body))
    last = 11 - total % 11
    if foreign:
        last += 2
    return body + str(last % 10)


def _luhn(body: str) -> str:
    doubled = [int(d) * 2 if i % 2 == 0 else int(d) for i, d in enumerate(reversed(body))]
    total = sum(d // 10 + d % 10 for d in doubled)
    return body + str(-total % 10)


def resident(rng: random.Random) -> str:
    """As on an identity card."""
    return _joined(rng, _thirteen(rng, "1234", False), 6)


def foreigner(rng: random.Random) -> str:
    """As on a residence card."""
    return _joined(rng, _thirteen(rng, "5678", True), 6)


def _joined(rng: random.Random, digits: str, *cuts: int) -> str:
    """Groups with hyphens, mostly; otherwise together, or joined or written in another way."""
    groups = [digits[a:b] for a, b in zip((0, *cuts), (*cuts, len(digits)), strict=True)]
    way = rng.random()
    if way < 0.62:
        return "-".join(groups)
    if way < 0.77:
        return digits
    if way < 0.85:
        return rng.choice(_DASHES).join(groups)
    if way < 0.92:
        return "-".join(groups).translate(FULL_WIDTH)
    if way < 0.96:
        return "-\n".join(groups[:2]) + "".join(f"-{item}" for item in groups[2:])
    return " ".join(groups)


def passport(rng: random.Random) -> str:
    """The form until 2021, and that of today."""
    letter = rng.choice("MMMSRGOD")
    if rng.random() < 0.5:
        return letter + _digits(rng, 8)
    return letter + _digits(rng, 3) + rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") + _digits(rng, 4)


def driver(rng: random.Random) -> str:
    """Region, year, number, and its last two digits."""
    region = rng.choice((11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28))
    return _joined(
        rng,
        f"{region}{rng.randint(70, 99) if rng.random() < 0.5 else rng.randint(0, 25):02d}{_digits(rng, 8)}",
        2,
        4,
        10,
    )


def card(rng: random.Random) -> str:
    """Of the brands that are given out in Korea."""
    start = rng.choice(("4", "51", "53", "55", "2345", "3560", "62", "9410", "9460", "6011", "34", "37", "36"))
    if start in ("34", "37"):
        return _joined(rng, _luhn(start + _digits(rng, 12)), 4, 10)
    if start == "36":
        return _joined(rng, _luhn(start + _digits(rng, 11)), 4, 10)
    return _joined(rng, _luhn(start + _digits(rng, 15 - len(start))), 4, 8, 12)


_BANKS = (
    ("국민은행", "KB Bank", (6, 2, 6)),
    ("신한은행", "Shinhan Bank", (3, 3, 6)),
    ("우리은행", "Woori Bank", (4, 3, 6)),
    ("하나은행", "Hana Bank", (3, 6, 5)),
    ("농협", "NH Bank", (3, 4, 4, 2)),
    ("기업은행", "IBK", (3, 6, 2, 3)),
    ("카카오뱅크", "KakaoBank", (4, 2, 7)),
    ("토스뱅크", "Toss Bank", (4, 4, 4)),
    ("새마을금고", "MG Bank", (4, 4, 4, 1)),
    ("우체국", "Korea Post", (6, 2, 6)),
)


def account(rng: random.Random) -> str:
    """In the grouping of one of ten banks."""
    groups = rng.choice(_BANKS)[2]
    first = str(rng.randint(1, 9))
    digits = first + _digits(rng, sum(groups) - 1)
    cuts = [sum(groups[: i + 1]) for i in range(len(groups) - 1)]
    return (
        digits
        if rng.random() < 0.2
        else "-".join(digits[a:b] for a, b in zip((0, *cuts), (*cuts, len(digits)), strict=True))
    )


def phone(rng: random.Random) -> str:
    """Mobile, landline, internet and nationwide numbers, at home and from abroad."""
    middle, last = f"{rng.randint(2000, 9999)}", _digits(rng, 4)
    way = rng.randrange(8)
    if way < 3:
        return _joined(rng, f"010{middle}{last}", 3, 7)
    if way == 3:
        return f"{rng.choice(('02', '031', '051', '064'))}-{middle[: rng.choice((3, 4))]}-{last}"
    if way == 4:
        return f"({rng.choice(('02', '032', '053'))}){rng.choice(('', ' '))}{middle[:3]}-{last}"
    if way == 5:
        return f"070-{middle}-{last}"
    if way == 6:
        return f"{rng.choice(('1588', '1577', '1544', '1644', '1899'))}-{rng.randint(2200, 9999)}"
    return f"+82{rng.choice((' ', '-', ' (0)'))}10{rng.choice(('-', ' '))}{middle}{rng.choice(('-', ' '))}{last}"


def email(rng: random.Random) -> str:
    """Of companies, schools and ministries."""
    local = rng.choice(("minsu", "j.park", "gildong_hong", "dana+work", "kim2024", "hr-team", "x"))
    return f"{local}@{rng.choice(('bank.co.kr', 'hanbit.com', 'korea.kr', 'snu.ac.kr', 'mail.example.org', 'a-b.io'))}"


def patient(rng: random.Random) -> str:
    """A hospital's number."""
    return rng.choice(("", "P", "H-", "PT")) + _digits(rng, rng.choice((6, 7, 8, 10)))


def employee(rng: random.Random) -> str:
    """A company's number."""
    return rng.choice(("", "E", "EMP", "K-", "A")) + _digits(rng, rng.choice((5, 6, 7, 8)))


def business(rng: random.Random) -> str:
    """With the tax office's check digit."""
    body = f"{rng.randint(101, 899)}{rng.randint(1, 99):02d}{_digits(rng, 4)}"
    total = sum(int(d) * w for d, w in zip(body, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=True)) + int(body[8]) * 5 // 10
    return _joined(rng, body + str((10 - total % 10) % 10), 3, 5)


def corporation(rng: random.Random) -> str:
    """With the registry's check digit, of companies limited by shares for the most part."""
    body = (
        rng.choice(("1101", "1341", "1801", "2011", "1101"))
        + rng.choice(("11", "11", "11", "14", "21"))
        + _digits(rng, 6)
    )
    total = sum(int(d) * (1, 2)[i % 2] for i, d in enumerate(body))
    return _joined(rng, body + str((10 - total % 10) % 10), 6)


_POSITIVES: dict[str, tuple[Callable[[random.Random], str], tuple[str, ...]]] = {
    "resident_number": (
        resident,
        (
            "{ko}의 주민등록번호는 {v}입니다.",
            "주민번호: {v}",
            "신청인 {ko}({v})은 아래와 같이 신청합니다.",
            "{ko} {v} 서울시 종로구",
            "The resident registration number of {en} is {v}.",
            "RRN {v} was checked at the counter.",
        ),
    ),
    "foreigner_number": (
        foreigner,
        (
            "외국인등록번호 {v}로 조회하였다.",
            "체류자 {ko}, {v}",
            "Alien registration number: {v}",
            "{en} ({v}) applied for an extension.",
        ),
    ),
    "passport": (
        passport,
        (
            "여권번호는 {v}입니다.",
            "여권 {v} 사본을 첨부합니다.",
            "Passport No. {v}, issued in Seoul",
            "{en} travels with passport {v}.",
        ),
    ),
    "driver_licence": (
        driver,
        (
            "운전면허번호 {v}",
            "면허증({v})을 제시하였다.",
            "Driver's licence {v} has expired.",
            "{ko}의 운전면허는 {v}이다.",
        ),
    ),
    "card": (
        card,
        (
            "카드번호 {v}로 결제했습니다.",
            "분실 카드: {v}",
            "Please charge card {v} today.",
            "{en} paid with {v}.",
            "법인카드 {v} 사용",
        ),
    ),
    "bank_account": (
        account,
        (
            "계좌번호는 {v}입니다.",
            "{bank} {v} (예금주 {ko})",
            "환불 계좌 {bank} {v}로 입금 바랍니다.",
            "Please transfer to account {v}.",
            "{ebank} account number {v}",
        ),
    ),
    "phone": (
        phone,
        (
            "연락처 {v}로 전화 주세요.",
            "{ko} 대리 ({v})",
            "문의: {v}",
            "휴대폰 번호는 {v}입니다.",
            "Call {en} at {v}.",
            "Phone: {v}",
        ),
    ),
    "email": (email, ("메일은 {v}로 보내 주세요.", "{ko} <{v}>", "Contact {v} for access.", "문의처({v})")),
    "patient_number": (
        patient,
        (
            "환자번호 {v} 진료 기록",
            "환자등록번호: {v}",
            "등록된 환자 ID는 {v}입니다.",
            "MRN: {v}",
            "Patient number {v} was admitted.",
            "병록번호({v})",
        ),
    ),
    "employee_number": (
        employee,
        (
            "사번 {v} {ko}",
            "사번은 {v}입니다.",
            "직원번호: {v}",
            "Employee ID {v} has left.",
            "Staff no. {v}",
            "{ko}(사원번호 {v})",
        ),
    ),
    "business_number": (
        business,
        (
            "사업자등록번호 {v}",
            "공급자 사업자번호는 {v}입니다.",
            "Business registration number: {v}",
            "(주)한빛 사업자 {v}",
        ),
    ),
    "corporation_number": (
        corporation,
        ("법인등록번호 {v}", "법인번호는 {v}이다.", "Corporate registration number {v}", "등기부의 법인등록번호: {v}"),
    ),
}
KINDS = tuple(_POSITIVES)


def positives(seed: int, count: int = 2000) -> Iterator[Case]:
    """`count` sentences with one identifier each, all kinds in turn."""
    rng = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        make, templates = _POSITIVES[kind]
        yield _filled(rng, kind, rng.choice(templates), make(rng), positive=True)


def _order(rng: random.Random) -> str:
    day = f"20{rng.randint(15, 26):02d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    return rng.choice(
        (
            f"{day}-{_digits(rng, 7)}",
            f"{day[2:]}-{_digits(rng, 7)}",
            day + _digits(rng, rng.choice((4, 5, 6))),
            f"ORD-{_digits(rng, 6)}-{_digits(rng, 4)}",
            _digits(rng, rng.choice((10, 12, 13))),
        )
    )


def _amount(rng: random.Random) -> str:
    return rng.choice(
        (f"{rng.randint(10**6, 10**13):,}", str(rng.randint(10**6, 10**13)), f"{rng.randint(1, 10**8) / 100:,.2f}")
    )


def _date(rng: random.Random) -> str:
    year, month, day = rng.randint(1950, 2030), rng.randint(1, 12), rng.randint(1, 28)
    clock = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
    return rng.choice(
        (
            f"{year}-{month:02d}-{day:02d}",
            f"{year}. {month}. {day}.",
            f"{year}-{month:02d}-{day:02d} {clock}",
            f"{year}{month:02d}{day:02d}",
            f"{year}{month:02d}{day:02d}{clock.replace(':', '')}",
            f"{year}-{month:02d}-{day:02d}T{clock}.{_digits(rng, 3)}Z",
            f"{year}~{year + rng.randint(1, 9)}",
        )
    )


def _version(rng: random.Random) -> str:
    return rng.choice(
        (
            f"v{rng.randint(0, 30)}.{rng.randint(0, 99)}.{rng.randint(0, 9999)}",
            f"{rng.randint(1, 9)}.{rng.randint(0, 99)}.{_digits(rng, 8)}",
            f"{rng.randint(10, 26)}.{rng.randint(1, 12):02d}.{rng.randint(1000, 99999)}.{rng.randint(1000, 9999)}",
        )
    )


def _hash(rng: random.Random) -> str:
    text = "".join(rng.choice("0123456789abcdef") for _ in range(64))
    return rng.choice(
        (
            text[:8],
            text[:12],
            text[:32],
            text[:40],
            text,
            f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}",
        )
    )


def _article(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{_digits(rng, 3)}-{_digits(rng, 4)}-{_digits(rng, 4)}",
            f"0{_digits(rng, 2)}-{_digits(rng, 3)}-{_digits(rng, 5)}",
            f"{rng.choice('ABCDEF')}-{_digits(rng, 3)}-{_digits(rng, 4)}",
            f"02-{_digits(rng, 4)}-{_digits(rng, 4)}",
            f"{rng.choice('ABCEFK')}{_digits(rng, 8)}",
        )
    )


def _ip(rng: random.Random) -> str:
    four = ".".join(str(rng.randint(1, 254)) for _ in range(4))
    return rng.choice(
        (
            four,
            f"{four}:{rng.randint(1024, 65535)}",
            f"{four}/24",
            ":".join(f"{rng.randint(0, 65535):x}" for _ in range(8)),
        )
    )


def _isbn(rng: random.Random) -> str:
    body = f"97{rng.choice('89')}{_digits(rng, 9)}"
    last = -sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(body)) % 10
    whole = f"{body}{last}"
    return rng.choice(
        (whole, f"{whole[:3]}-{whole[3:5]}-{whole[5:8]}-{whole[8:12]}-{whole[12]}", f"{whole[:3]}-{whole[3:]}")
    )


def _stamp(rng: random.Random) -> str:
    return (
        str(rng.randint(1_500_000_000_000, 1_800_000_000_000))
        if rng.random() < 0.5
        else str(rng.randint(1_500_000_000, 1_800_000_000))
    )


def _statute(rng: random.Random) -> str:
    return rng.choice(
        (
            f"제{rng.randint(1, 300)}조제{rng.randint(1, 9)}항",
            f"제{rng.randint(2000, 2026)}-{rng.randint(1, 999)}호",
            f"{rng.randint(1900, 2000)}-{rng.randint(2001, 2030)}",
            f"{rng.randint(2000, 2026)}가합{rng.randint(1000, 99999)}",
        )
    )


_LOOKALIKES: dict[str, tuple[Callable[[random.Random], str], tuple[str, ...]]] = {
    "order": (
        _order,
        (
            "주문번호 {v}를 확인했습니다.",
            "송장번호: {v}",
            "Order number {v} has shipped.",
            "접수번호 {v}",
            "Tracking no. {v}",
        ),
    ),
    "amount": (
        _amount,
        (
            "총액은 {v}원입니다.",
            "예산 {v}원",
            "The contract is worth {v} KRW.",
            "매출 {v}원, 전년 대비 증가",
            "잔액 {v}원",
        ),
    ),
    "date": (_date, ("시행일 {v}", "{v}에 개정되었다.", "Updated on {v}.", "기간은 {v}이다.", "회의는 {v}에 열린다.")),
    "version": (_version, ("버전 {v}을 설치한다.", "Upgrade to {v} first.", "드라이버 {v}", "build {v}")),
    "hash": (_hash, ("커밋 {v}에서 고쳤다.", "sha256: {v}", "Trace id {v}", "파일 해시는 {v}이다.")),
    "article": (
        _article,
        ("품번 {v} 재고 없음", "부품번호 {v}", "Part number {v} is discontinued.", "모델 번호 {v}", "자재코드 {v}"),
    ),
    "address": (_ip, ("서버 {v}에 접속한다.", "IP 주소는 {v}이다.", "Host {v} did not answer.", "방화벽 {v} 허용")),
    "isbn": (_isbn, ("ISBN {v}", "도서 ISBN: {v} 참고", "ISBN-13: {v}")),
    "stamp": (_stamp, ('{{"ts": {v}}}', "timestamp={v}", "epoch {v} ms", "타임스탬프 {v}")),
    "statute": (_statute, ("{v}에 따른다.", "고시 {v}", "판결 {v}", "연구 기간 {v}")),
}
LOOKALIKES = tuple(_LOOKALIKES)


def lookalikes(seed: int, count: int = 10_000) -> Iterator[Case]:
    """`count` sentences with something that is no identifier of a person or company, all sorts in turn."""
    rng = random.Random(seed + 1_000_003)
    for number in range(count):
        kind = LOOKALIKES[number % len(LOOKALIKES)]
        make, templates = _LOOKALIKES[kind]
        yield _filled(rng, kind, rng.choice(templates), make(rng), positive=False)


def _filled(rng: random.Random, kind: str, template: str, value: str, *, positive: bool) -> Case:
    bank = rng.choice(_BANKS)
    words = {"ko": rng.choice(KO_NAMES), "en": rng.choice(EN_NAMES), "bank": bank[0], "ebank": bank[1]}
    text = template.format(v="\0", **words)
    start = text.index("\0")
    return Case(kind, text.replace("\0", value), (start, start + len(value)), positive)
