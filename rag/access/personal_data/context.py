"""What the words around a number say that it is: its label raises its score, another number's label lowers it."""

from __future__ import annotations

import re

from rag.domain.findings import Kind

BEFORE, AFTER = 48, 12
"""Characters looked at on both sides."""
_ATTACHED = 14
"""Characters without a digit that may stand between a label and its number."""
_OF = r"\s?(?:번호|코드|no\b\.?|number|num\b|id\b|#|넘버)"

LABELS: dict[str, re.Pattern[str]] = {
    kind: re.compile(words, re.IGNORECASE | re.ASCII)
    for kind, words in {
        Kind.RESIDENT: r"주민|resident|\brrn\b|\bssn\b|생년월일|jumin|신분증|본인|identity|national id",
        Kind.FOREIGNER: r"외국인|거소|체류|foreigner|alien|\bfrn\b|\barc\b|residence card|registration card",
        Kind.PASSPORT: r"여권|passport",
        Kind.DRIVER: r"운전|면허|licen[cs]e|driver",
        Kind.CARD: r"카드|card|visa|master|amex|\bbc\b|결제",
        Kind.ACCOUNT: r"계좌|입금|송금|이체|예금|통장|account|acct|\ba/c\b|deposit|은행|뱅크|농협|수협|신협|새마을|우체국|bank\b|"
        r"transfer|remit|환불처|급여",
        Kind.PHONE: r"전화|연락처|휴대|핸드폰|모바일|팩스|내선|고객센터|콜센터|대표번호|문자|phone|mobile|"
        r"\btel\b|\bcell\b|\bfax\b|call|contact|text me|hotline|h\.p|\bhp\b|☎|📞",
        Kind.BUSINESS: r"사업자|business|\bbrn\b|\bbiz\b|세금계산서|공급자|tax",
        Kind.CORPORATION: r"법인|corporat|등기|\bcrn\b",
    }.items()
}
_FOREIGN_LABEL = re.compile(
    r"(?:주문|송장|운송장|접수|관리|문서|품목|모델|부품|제품|상품|자재|일련|배치|로트|전표|거래|승인|티켓|이슈|계약|견적|발주|예약|공고|"
    r"특허|출원|사건|영수증|기사|조회|시리얼|세션|추적|시험|인증서|발급)"
    + _OF
    + r"|(?:order|invoice|tracking|ticket|part|model|batch|lot|doc|document|article|item|product|transaction|"
    r"issue|case|reference|ref|receipt|serial|patent|shipment|booking|request|session|quote|contract|stock|trace)"
    + _OF
    + r"|\bisbn\b|\bissn\b|\bsku\b|\bean\b|\bupc\b|\bs/n\b|바코드|barcode|품번|모델명|시리얼|serial|버전|version|build\b|"
    r"timestamp|타임스탬프|epoch|\bts\b|commit|커밋|hash|해시|checksum|체크섬|md5|sha-?\d|uuid|총액|금액|합계|amount|total|revision|"
    r"포트|ip 주소|\bip\b|좌표|unix|조항|규격",
    re.IGNORECASE | re.ASCII,
)
_OTHER_NUMBERS: dict[str, re.Pattern[str]] = {
    Kind.RESIDENT: re.compile(r"법인|사업자|계좌|corporat", re.IGNORECASE | re.ASCII),
    Kind.FOREIGNER: re.compile(r"법인|사업자|계좌|corporat", re.IGNORECASE | re.ASCII),
    Kind.ACCOUNT: re.compile(
        r"전화|연락처|휴대|팩스|사업자|법인|주민|카드번호|phone|mobile|fax|card (?:no|number)", re.IGNORECASE | re.ASCII
    ),
    Kind.PHONE: re.compile(r"계좌|account", re.IGNORECASE | re.ASCII),
    Kind.BUSINESS: re.compile(r"계좌|account", re.IGNORECASE | re.ASCII),
}
_QUANTITY = re.compile(
    r"\s?(?:원(?!주)|달러|엔화?|억|만|천|건|개|명|점|주(?!민)|톤|회|매|부(?!서)|바이트|bytes?\b|kb\b|mb\b|gb\b|kg\b|km\b|ms\b|%|"
    r"usd\b|krw\b|won\b|units?\b|records?\b|rows?\b|items?\b)",
    re.IGNORECASE | re.ASCII,
)
_MONEY = re.compile(r"[₩￦$€£¥]\s?$|(?:krw|usd)\s$", re.IGNORECASE | re.ASCII)
_HAS_DIGIT = re.compile(r"[0-9]")

RAISED, LOWERED = 0.3, -0.35


def weight(kind: str, before: str, after: str) -> float:
    """What the text on both sides says of a number that may be of `kind`: 0.3 for it, -0.35 against it, 0 nothing.

    The label that stands nearest counts; one of another number counts only if no digit stands between.
    """
    own = _last(LABELS.get(kind), before)
    other = max(_attached(_FOREIGN_LABEL, before), _attached(_OTHER_NUMBERS.get(kind), before))
    if own > other:
        return RAISED
    if other >= 0:
        return LOWERED
    labels = LABELS.get(kind)
    return RAISED if labels is not None and labels.search(after) else 0.0


def quantity(before: str, after: str) -> bool:
    """Whether a number is an amount or a count: a unit behind it, or a currency before it."""
    return _QUANTITY.match(after) is not None or _MONEY.search(before) is not None


def _last(pattern: re.Pattern[str] | None, text: str) -> int:
    """Where the last match begins; -1 without one."""
    place = -1
    if pattern is not None:
        for found in pattern.finditer(text):
            place = found.start()
    return place


def _attached(pattern: re.Pattern[str] | None, text: str) -> int:
    """`_last`, if the label belongs to what follows the text."""
    last: re.Match[str] | None = None
    if pattern is not None:
        for found in pattern.finditer(text):
            last = found
    if last is None or len(text) - last.end() > _ATTACHED or _HAS_DIGIT.search(text, last.end()):
        return -1
    return last.start()
