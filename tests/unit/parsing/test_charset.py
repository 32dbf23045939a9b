from __future__ import annotations

import pytest

from ingest.parsing.charset import decode, detect_charset
from ingest.parsing.members import decode_name
from tests.unit.parsing.documents import parse, texts

KOREAN = {
    "표": "┌────┬────┐\n│구분│금액│\n├────┼────┤\n│대출│ 100│\n└────┴────┘\n",
    "차례": "제1장 총칙 ························ 1\n제2장 여신 ······················ 5\n",
    "국한문": "第1條(目的) 本 規程은 與信 業務의 節次에 관한 事項을 定함을 目的으로 한다.\n",
    "한자만": "人事規程 改正案\n",
    "서식": "□ 예  □ 아니오\n○ ○ ○ ◎ ◇ ◆ △ ▲ ☆ ★\n",
    "기호만": "※ A → B\n",
    "단위": "Temp: 25 ℃, area: 84 ㎡\n",
    "따옴표": "“Employment” means ‘work’.\n",
    "주석": "/* ━━━━━━━━━━━━━━━ */\nint main(void) { return 0; }\n",
    "전각": "ＡＢＣ　１２３（株）　￦５，０００\n",
    "가운뎃점": "**①** 제3조ㆍ제4조ㆍ제5조\n",
    "자모": "ㅋㅋㅋ ㅠㅠ 네\n",
    "확장 완성형": "똠방각하와 펲시콜라, 햏\n",
    "한 낱말": "견적서",
    "영문 사이": "Q&A.hwp와 KT와 A사\n",
}


@pytest.mark.parametrize("text", KOREAN.values(), ids=KOREAN)
def test_korean_windows_text_is_told_by_what_it_says(text):
    data = text.encode("cp949")
    assert detect_charset(data) == "cp949"
    assert decode(data, "cp949") == (text, False)


@pytest.mark.parametrize(
    "text",
    [
        "┌────┐\n│ 여신 규정 │\n└────┘\n담당자가 씁니다.\n",
        "사업비와 인건비",
        "위원으로 위촉한다",
        "第1條(目的) 이 규정은 與信 한도를 정한다.\n",
    ],
)
def test_johab_is_told_from_korean_windows(text):
    assert detect_charset(text.encode("johab")) == "johab"


@pytest.mark.parametrize(
    "text",
    [
        "The bank’s “terms” – it’s 25°C…\n", "Größe\n", "Füße.txt", "créée.txt", "Süß\n", "äöüß", "INFORMAÇÃO", "§§ 12",
        "« L’été » où l’œuvre naît", "¿Qué? ¡Hola, señor Ñandú!", "Maße und Größen", "£5 or €6", "résumé.doc",
    ],
)  # fmt: skip
def test_windows_1252_is_not_korean(text):
    assert detect_charset(text.encode("cp1252")) in ("cp1252", None)


@pytest.mark.parametrize("charset", ["shift_jis", "euc_jp"])
@pytest.mark.parametrize(
    "text",
    [
        "この規程は、従業員の就業に関する事項を定める。\n",
        "ひらがなだけ\n",
        "日本の会社における主な規則とその改正の経緯についての説明\n",
        "カタカナ\n",
    ],
)
def test_japanese_is_not_korean(text, charset):
    assert detect_charset(text.encode(charset)) not in ("cp949", "johab")


def test_chinese_is_not_korean():
    text = "为了加强对银行业的监督管理,规范监督管理行为,防范和化解银行业风险,保护存款人的合法权益,制定本办法。\n"
    assert detect_charset(text.encode("gbk")) != "cp949"


@pytest.mark.parametrize("name", ["大韓民國.hwp", "【공지】①②.txt", "□인사□.hwp", "급여규정.hwp"])
def test_names_of_archive_members_with_hanja_and_signs(name):
    assert decode_name(name.encode("cp949"), "cp437") == name


@pytest.mark.parametrize(
    ("head", "charset", "text"),
    [
        ('<html><head><meta charset="euc-kr"></head><body>', "cp949", "㉮ ━━ 뷁 뷁"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=ks_c_5601-1987"><body>', "cp949", "똠 펲 햏"),
        ("<html><meta charset=Shift_JIS><body>", "shift_jis", "就業規則の改正について"),
        ("<html><meta charset=euc-jp><body>", "euc_jp", "就業規則の改正について"),
        ("<html><meta charset=iso-8859-1><body>", "cp949", "여신 한도의 산정에 관한 사항"),
        ("<html><meta charset=utf-16><body>", "cp949", "여신 한도의 산정에 관한 사항"),
        ("<html><meta charset=euc-kr><body>", "utf-8", "여신 한도의 산정에 관한 사항"),
    ],
)
def test_a_page_is_in_the_charset_that_it_declares_where_its_bytes_are(tmp_path, head, charset, text):
    path = tmp_path / "a.html"
    path.write_bytes(head.encode() + text.encode(charset))
    document = parse(path)
    assert texts(document) == [text]
    assert document.warnings == ()


@pytest.mark.parametrize("charset", ["utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.html", "a.txt"])
def test_a_line_end_of_one_byte_behind_wide_characters(tmp_path, charset, name):
    path = tmp_path / name
    path.write_bytes(("<p>여신 한도</p>" if name == "a.html" else "여신 한도").encode(charset) + b"\n")
    document = parse(path)
    assert (texts(document), document.warnings) == (["여신 한도"], ())
