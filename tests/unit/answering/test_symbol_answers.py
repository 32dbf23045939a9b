"""Questions that the syntax of code answers: what is recognised, which lines are quoted, and what nobody learns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from rag.answering.change_answers import ChangeAnswerer
from rag.answering.changes import History
from rag.answering.code_answers import CodeAnswerer
from rag.answering.code_questions import Wanted, code_question
from rag.answering.service import Answerer, AnswerOutcome, Asked
from rag.answering.symbol_answers import SymbolAnswerer
from rag.domain.access import AccessRule, user
from rag.domain.answer import Support
from rag.domain.principal import Permit
from rag.generation.base import Draft
from rag.generation.extractive import ExtractiveGenerator
from rag.store.collection import Collection
from tests.support.code_world import CodeWorld
from tests.support.proposals import Proposing
from tests.support.questions import ANALYZER, READER
from tests.support.stores import migrated

GATEWAY = '''"""결제 대행사에 청구한다."""

TIMEOUT_S = 30


def charge(amount: int) -> str:
    """금액을 청구하고 번호를 돌려준다."""
    return send(amount, TIMEOUT_S)


def send(amount: int, timeout: int) -> str:
    return f"{amount}:{timeout}"
'''
SERVICE = '''from gateway import charge

LIMIT = 3_000_000


class PaymentService:
    """결제를 승인한다."""

    def approve(self, amount: int) -> str:
        if amount > LIMIT:
            raise ValueError(amount)
        return charge(amount)
'''
TESTS = """from gateway import charge


def test_charge_returns_a_number() -> None:
    assert charge(1000)
"""
HIDDEN = """from gateway import charge


def bonus_of_directors() -> str:
    return charge(900_000_000)
"""


LANE = '''# Copyright 2026 Seogo

"""저장소의 파일을 많이 넣는 길.

한 번에 수백 개를 넣는다.
"""

import hashlib
import logging
import threading
from collections import deque

log = logging.getLogger(__name__)
_SIZE = 3


class CodeLane:
    """파일을 한꺼번에 받는다.

    스레드에 안전하다.
    """

    def __init__(self) -> None:
        self._done = 0

    def take(self, files: list[str]) -> int:
        """파일을 받는다.

        한 줄 더.
        """
        self._done += len(files)
        return self._done

    def _hidden(self) -> str:
        return hashlib.sha256(b"").hexdigest()
'''


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeWorld]:
    """A file that begins with a licence and many imports, one that imports it, and a package."""
    made = CodeWorld(migrated(f"sqlite:///{tmp_path_factory.mktemp('lane') / 'store.sqlite'}"))
    told = {"__init__": "단계의 모음.", "c": "셋째 단계.", "b": "둘째 단계.", "a": "첫째 단계."}
    steps = {
        f"steps/{name}.py": f'"""{says}"""\n\nimport os\n\n\ndef run_{name}() -> str:\n    return os.sep\n'
        for name, says in told.items()
    }
    made.repository(
        "payments", {"lane.py": LANE, "uses.py": "from payments.lane import CodeLane\n\nLANE = CodeLane()\n"} | steps
    )
    yield made
    made.database.close()


def quoted(outcome: AnswerOutcome) -> list[tuple[str, str]]:
    """Place and quotation of all that is cited."""
    return [(str(item.spot), item.quote.strip()) for sentence in outcome.sentences for item in sentence.citations]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeWorld]:
    folder: Path = tmp_path_factory.mktemp("symbols")
    made = CodeWorld(migrated(f"sqlite:///{folder / 'store.sqlite'}"))
    files = {"gateway.py": GATEWAY, "service.py": SERVICE, "tests/test_gateway.py": TESTS}
    collection = made.repository("payments", files)
    secret = AccessRule(allow=frozenset({user(UUID(int=4711))}))
    made.file(collection, "payments/hidden.py", HIDDEN, rule=secret)
    yield made
    made.database.close()


def answer(
    world: CodeWorld, question: str, permit: Permit | None = None, model: Proposing | None = None
) -> AnswerOutcome:
    symbols = SymbolAnswerer(world.database, world.navigator, world.retriever, READER)
    changes = ChangeAnswerer(History(world.database, Path("/nowhere")), world.retriever, READER, ANALYZER)
    writer = model or ExtractiveGenerator(READER.terms_of)
    answerer = Answerer(world.retriever, READER, writer, 5, code=CodeAnswerer(changes, symbols))
    return asyncio.run(answerer.complete(permit or world.permit(), Asked(question, 8)))


def lines(outcome: AnswerOutcome) -> list[str]:
    """`path:line: text` of all that is quoted."""
    cited = [item for sentence in outcome.sentences for item in sentence.citations]
    return [f"{item.spot}: {item.quote.strip()}" for item in cited]


@pytest.mark.parametrize(
    ("question", "wanted", "name"),
    [
        ("`charge`는 어디서 쓰이나?", Wanted.USES, "charge"),
        ("MAX_FAILURES는 어디에서 사용되나요?", Wanted.USES, "MAX_FAILURES"),
        ("charge를 호출하는 곳", Wanted.CALLERS, "charge"),
        ("PaymentService.approve를 호출하는 곳은 어디인가요?", Wanted.CALLERS, "PaymentService.approve"),
        ("approve가 호출하는 함수는?", Wanted.CALLEES, "approve"),
        ("charge를 검증하는 테스트는?", Wanted.TESTS, "charge"),
        ("charge는 어디에 정의되어 있나?", Wanted.DEFINITION, "charge"),
        ("gateway 모듈을 설명해줘", Wanted.MODULE, "gateway"),
        ("where is `charge` used?", Wanted.USES, "charge"),
        ("What calls charge()?", Wanted.CALLERS, "charge"),
        ("what does approve call?", Wanted.CALLEES, "approve"),
        ("which tests cover charge?", Wanted.TESTS, "charge"),
        ("where is TIMEOUT_S defined?", Wanted.DEFINITION, "TIMEOUT_S"),
        ("Explain the module payments.gateway", Wanted.MODULE, "payments.gateway"),
        ("approve 함수는 무엇을 호출하나요?", Wanted.CALLEES, "approve"),
        ("approve는 어떤 함수를 호출하나요?", Wanted.CALLEES, "approve"),
        ("`approve`는 뭘 부르나?", Wanted.CALLEES, "approve"),
        ("approve는 누가 호출하나요?", Wanted.CALLERS, "approve"),
        ("approve는 어디서 호출되나요?", Wanted.CALLERS, "approve"),
        ("어디서 `charge`를 쓰나요?", Wanted.USES, "charge"),
        ("누가 DailyLimit를 임포트하나요?", Wanted.USES, "DailyLimit"),
        ("charge 사용처", Wanted.USES, "charge"),
        ("charge를 테스트하는 코드는?", Wanted.TESTS, "charge"),
        ("charge를 어떻게 테스트하나요?", Wanted.TESTS, "charge"),
        ("charge 구현은 어디 있어?", Wanted.DEFINITION, "charge"),
        ("gateway.py는 무슨 파일이야?", Wanted.MODULE, "gateway.py"),
        ("which functions does approve call?", Wanted.CALLEES, "approve"),
        ("what functions are called by approve?", Wanted.CALLEES, "approve"),
        ("callees of approve", Wanted.CALLEES, "approve"),
        ("where do we call charge?", Wanted.CALLERS, "charge"),
        ("show me where charge is used", Wanted.USES, "charge"),
        ("find all references to charge", Wanted.USES, "charge"),
        ("is charge tested?", Wanted.TESTS, "charge"),
        ("where can I find `charge`?", Wanted.DEFINITION, "charge"),
        ("what does the module gateway do?", Wanted.MODULE, "gateway"),
        ("`UserService`는 어떤 파일에서 호출되나요?", Wanted.CALLERS, "UserService"),
        ("UserService는 어떤 클래스에서 쓰이나요?", Wanted.USES, "UserService"),
        ("어떤 파일에서 `charge`를 쓰나요?", Wanted.USES, "charge"),
        ("login은 어떤 파일에 정의되어 있나요?", Wanted.DEFINITION, "login"),
        ("PaymentService는 어떤 클래스인가요?", Wanted.MODULE, "PaymentService"),
        ("where can I find MAX_FAILURES", Wanted.DEFINITION, "MAX_FAILURES"),
    ],
)
def test_questions_are_recognised_in_both_languages(question: str, wanted: Wanted, name: str) -> None:
    found = code_question(question)
    assert found is not None and (found.wanted, found.name) == (wanted, name)


@pytest.mark.parametrize(
    "question",
    [
        "연차휴가는 어디에 쓰나요?",
        "Where is the office?",
        "한도는 얼마인가요?",
        "What is the limit?",
        "경비는 어디서 사용하나요?",
        "경비는 누가 무엇에 쓰나요?",
        "서버를 테스트하는 방법은?",
        "How do I test the login?",
        "PaymentService는 어떤 클래스를 상속하나요?",
        "PaymentService는 무슨 모듈에 의존하나요?",
        "approve는 어떤 파일을 읽나요?",
        "Where can I find PTO policy?",
        "where do I find GitLab?",
        "Is VPN tested every year?",
    ],
)
def test_other_questions_are_none_of_them(question: str) -> None:
    assert code_question(question) is None


@pytest.mark.parametrize("question", ["charge를 호출하는 곳은?", "what calls `charge`?"])
def test_every_call_is_quoted_with_its_place(world: CodeWorld, question: str) -> None:
    outcome = answer(world, question)
    assert outcome.abstention is None
    found = lines(outcome)
    assert "payments/service.py:12: return charge(amount)" in found
    assert "payments/tests/test_gateway.py:5: assert charge(1000)" in found
    assert any(item.startswith("payments/gateway.py:6") for item in found)  # where it is defined
    assert all(sentence.support is Support.VERBATIM for sentence in outcome.sentences)
    assert all(
        item.place.endswith("@" + item.passage.source.commit[:12]) for s in outcome.sentences for item in s.citations
    )


def test_nothing_is_told_of_what_the_permit_does_not_cover(world: CodeWorld) -> None:
    outcome = answer(world, "charge는 어디서 쓰이나?")
    assert not any("hidden" in item or "900" in item for item in lines(outcome))
    [note] = [note.detail for note in outcome.notes if note.kind == "symbols"]
    assert note.startswith("uses of charge: 4 "), note  # two imports, two calls: what is hidden is not counted


def test_what_only_hidden_code_has_is_not_there(world: CodeWorld) -> None:
    outcome = answer(world, "`bonus_of_directors`는 어디에 정의되어 있나?")
    assert outcome.abstention is not None and not outcome.sentences


def test_callees_and_tests(world: CodeWorld) -> None:
    calls = lines(answer(world, "approve 함수가 호출하는 함수는?"))
    assert any(item.startswith("payments/service.py:") and "return charge(amount)" in item for item in calls)
    assert any(item.startswith("payments/gateway.py:6: def charge") for item in calls)
    active = lines(answer(world, "approve 함수는 무엇을 호출하나요?"))
    assert any("return charge(amount)" in item for item in active)
    found = lines(answer(world, "which tests cover `charge`?"))
    assert "payments/tests/test_gateway.py:5: assert charge(1000)" in found
    assert not any("service.py" in item for item in found)


def test_a_definition_is_quoted_by_its_head(world: CodeWorld) -> None:
    [first, *_] = lines(answer(world, "where is `approve` defined?"))
    assert first.startswith("payments/service.py:9-12: def approve(self, amount: int) -> str:")


def test_a_list_of_places_is_not_retold_by_a_model(world: CodeWorld) -> None:
    model = Proposing([Draft(text="아무 데서도 쓰이지 않습니다.", cites=(0,))])
    found = lines(answer(world, "charge를 호출하는 곳은?", model=model))
    assert "payments/service.py:12: return charge(amount)" in found


def test_a_module_is_explained_by_a_model_or_by_its_heads(world: CodeWorld) -> None:
    told = answer(world, "gateway 모듈을 설명해줘")
    assert told.abstention is None
    assert any(item.startswith("payments/gateway.py:1") for item in lines(told))
    place = next(i for i, item in enumerate(told.search.passages) if item.source.source_key == "payments/gateway.py")
    model = Proposing(
        [Draft(text="`charge`는 `payments/gateway.py:6`에서 금액을 청구하고 번호를 돌려줍니다.", cites=(place,))]
    )
    outcome = answer(world, "gateway 모듈을 설명해줘", model=model)
    assert [item.support for item in outcome.sentences] == [Support.SUPPORTED]


def test_a_class_is_explained_by_its_documentation_and_what_it_offers_then_by_its_file_and_its_importers(
    lane: CodeWorld,
) -> None:
    found = quoted(answer(lane, "CodeLane 모듈을 설명해줘"))
    places = [place for place, _ in found]
    own = [place for place in places if place.startswith("payments/lane.py")]
    assert places == [*own, *(place for place in places if place not in own)], "importers stand behind"
    assert any(place.startswith("payments/uses.py:1") for place in places)
    assert places[0].startswith("payments/lane.py:17") and "파일을 한꺼번에 받는다." in found[0][1]
    text = "\n".join(quote for place, quote in found if place in own)
    assert "def take(self, files: list[str]) -> int:" in text and '"""파일을 받는다.' in text
    assert "저장소의 파일을 많이 넣는 길." in text, "what the file says of itself"
    assert not any(word in text for word in ("import", "Copyright", "_hidden", "self._done", "한 줄 더")), text


def test_a_file_is_explained_by_its_documentation_first_and_a_folder_by_that_of_its_files(lane: CodeWorld) -> None:
    [first, *others] = quoted(answer(lane, "Explain the module payments.lane"))
    assert first[0].startswith("payments/lane.py:3") and "저장소의 파일을 많이 넣는 길." in first[1]
    assert any("class CodeLane" in quote for _, quote in others)
    folder = quoted(answer(lane, "steps 패키지를 설명해줘"))
    assert [quote.strip('"') for _, quote in folder][:4] == ["단계의 모음.", "첫째 단계.", "둘째 단계.", "셋째 단계."]


def test_a_plain_word_is_one_of_code_only_where_code_alone_is_asked(world: CodeWorld) -> None:
    assert answer(world, "charge는 어디서 쓰이나?").abstention is None
    tenant = world.permit().tenant_id
    with world.database.write() as session:
        session.add(Collection(id=UUID(int=77), tenant_id=tenant, name="규정", kind="documents"))
    try:
        symbols = SymbolAnswerer(world.database, world.navigator, world.retriever, READER)
        assert symbols.prepared(world.permit(), "charge는 어디서 쓰이나?", 8) is None
        assert symbols.prepared(world.permit(), "`charge`는 어디서 쓰이나?", 8) is not None
    finally:
        with world.database.write() as session:
            session.delete(session.get_one(Collection, UUID(int=77)))
