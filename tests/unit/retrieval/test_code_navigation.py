from __future__ import annotations

from uuid import UUID

import pytest

from rag.domain.access import AccessRule, Label
from rag.domain.code_places import CodeScope, Sureness, Use
from rag.domain.errors import RepositoryNotFound, SymbolNotFound
from rag.store.collection import Collection
from rag.store.session import Database
from tests.support.code_samples import PAYMENTS
from tests.support.code_world import CodeWorld


@pytest.fixture
def world(database: Database) -> CodeWorld:
    made = CodeWorld(database)
    made.repository("payments", PAYMENTS)
    return made


def places(uses: tuple[Use, ...]) -> dict[str, Sureness]:
    return {use.spot.place.partition("@")[0]: use.sure for use in uses}


def test_a_definition_is_found_by_name_path_beginning_and_humps(world: CodeWorld) -> None:
    permit = world.permit()
    [found] = world.navigator.definitions(permit, "PaymentService")[:1]
    assert found.symbol.signature == "class PaymentService"
    assert found.spot.place == "payments/src/payments/service.py:8@abc123def456"
    assert found.whole == "payments/src/payments/service.py:8-23@abc123def456"
    assert found.spot.text == "class PaymentService:"
    assert found.spot.before == ("", "") and found.spot.after == ('    """Approves payments."""', "")
    [approve] = world.navigator.definitions(permit, "RefundService.approve()")
    assert approve.symbol.path == "RefundService.approve"
    assert [item.symbol.name for item in world.navigator.definitions(permit, "paymentserv")] == ["PaymentService"]
    assert [item.symbol.name for item in world.navigator.definitions(permit, "PaySer")] == ["PaymentService"]
    assert "LimitChecker" in [item.symbol.name for item in world.navigator.definitions(permit, "LC")]
    assert world.navigator.definitions(permit, "no_such_thing") == ()


def test_uses_of_a_function_tell_namesakes_apart(world: CodeWorld) -> None:
    found = world.navigator.uses(world.permit(), "charge")
    assert [item.whole.partition("@")[0] for item in found.definitions] == [
        "payments/src/billing/gateway.py:1-3",
        "payments/src/payments/gateway.py:4-6",
    ]
    assert "payments/src/payments/service.py:18" in places(found.uses)
    narrow = world.navigator.uses(world.permit(), "charge", scope=CodeScope(path="src/billing"))
    assert places(narrow.uses) == {"payments/src/billing/gateway.py:7": Sureness.SURE}


def test_callers_of_a_method_are_weighed(world: CodeWorld) -> None:
    found = world.navigator.callers(world.permit(), "PaymentService.approve")
    sure = places(found.uses)
    assert sure["payments/src/app.py:7"] is Sureness.LIKELY  # payment_service.approve
    assert sure["payments/src/app.py:9"] is Sureness.POSSIBLE  # other.approve
    assert sure["payments/src/payments/service.py:28"] is Sureness.SURE  # super() of a class that inherits
    by_place = {use.spot.first: use for use in found.uses if use.spot.source.source_key.endswith("app.py")}
    assert by_place[7].enclosing == "main" and by_place[7].qualifier == "payment_service"
    checked = world.navigator.callers(world.permit(), "PaymentService.check")
    assert places(checked.uses) == {"payments/src/payments/service.py:16": Sureness.SURE}


def test_callees_are_joined_with_their_definitions(world: CodeWorld) -> None:
    found = {item.name: item for item in world.navigator.callees(world.permit(), "PaymentService.approve")}
    assert list(found) == ["check", "charge", "record"]
    assert found["charge"].sure is Sureness.SURE
    assert [item.whole.partition(":")[0] for item in found["charge"].definitions] == [
        "payments/src/payments/gateway.py"
    ]
    assert [item.symbol.path for item in found["check"].definitions] == ["PaymentService.check"]
    assert found["record"].sure is Sureness.SURE and found["record"].uses[0].spot.first == 19
    with pytest.raises(SymbolNotFound):
        world.navigator.callees(world.permit(), "nothing")


def test_tests_that_touch_a_symbol(world: CodeWorld) -> None:
    found = world.navigator.tests(world.permit(), "LimitChecker.within")
    assert places(found.uses) == {"payments/tests/test_service.py:14": Sureness.SURE}
    assert all(use.test for use in found.uses)
    touched = world.navigator.tests(world.permit(), "PaymentService")
    assert {"make", "", "test_approve_within_the_limit"} == {use.enclosing for use in touched.uses}


HELPED = """from payments.limits import LimitChecker
from payments.service import PaymentService


def make() -> PaymentService:
    return PaymentService(LimitChecker())


def twice() -> PaymentService:
    return make()


class TestApproval:
    def ready(self) -> PaymentService:
        return make()

    def test_one(self) -> None:
        assert make().approve(1)

    def test_other(self) -> None:
        assert twice()
"""


def test_tests_that_touch_a_symbol_through_one_helper(world: CodeWorld) -> None:
    [collection] = world.permit().collections
    world.file(collection, "payments/tests/test_helped.py", HELPED)
    elsewhere = "def make() -> int:\n    return 1\n\n\ndef test_alone() -> None:\n    assert make()\n"
    world.file(collection, "payments/tests/test_elsewhere.py", elsewhere)
    world.file(collection, "payments/src/tool.py", "from tests.test_helped import make\n\n\ndef run():\n    make()\n")
    found = world.navigator.tests(world.permit(), "PaymentService", scope=CodeScope(path="tests/*"))
    of_helped = [use for use in found.uses if use.spot.source.source_key == "payments/tests/test_helped.py"]
    assert {(use.name, use.enclosing, use.spot.first): use.sure for use in of_helped} == {
        ("PaymentService", "", 2): Sureness.SURE,
        ("PaymentService", "make", 6): Sureness.SURE,
        ("make", "TestApproval.test_one", 18): Sureness.LIKELY,
    }, "the use itself and one step, no second one, and no helper that calls a helper"
    assert all(use.test for use in found.uses)
    others = {use.enclosing for use in found.uses} - {use.enclosing for use in of_helped}
    assert others == {"test_approve_within_the_limit"}, "no test of a namesake of the helper"
    everywhere = world.navigator.tests(world.permit(), "PaymentService")
    assert "run" not in {use.enclosing for use in everywhere.uses}, "what calls a helper and is no test"


def test_what_a_helper_does_is_told_to_its_readers_alone(world: CodeWorld) -> None:
    [collection] = world.permit().collections
    secret = AccessRule(label=Label.CONFIDENTIAL)
    world.file(collection, "payments/tests/test_helped.py", HELPED, rule=secret)
    caller = "from tests.test_helped import make\n\n\ndef test_far() -> None:\n    assert make()\n"
    world.file(collection, "payments/tests/test_far.py", caller)
    touched = {use.enclosing for use in world.navigator.tests(world.permit(), "PaymentService").uses}
    assert "test_far" not in touched and "TestApproval.test_one" not in touched
    world.file(collection, "payments/tests/test_helped.py", HELPED, "e" * 40, rule=AccessRule())
    touched = {use.enclosing for use in world.navigator.tests(world.permit(), "PaymentService").uses}
    assert {"test_far", "TestApproval.test_one"} <= touched


def test_importers_of_a_module(world: CodeWorld) -> None:
    for name in ("src/payments/limits.py", "payments/src/payments/limits.py", "payments.limits"):
        found = world.navigator.importers(world.permit(), name)
        assert sorted(places(found)) == [
            "payments/src/app.py:2",
            "payments/src/payments/service.py:4",
            "payments/tests/test_service.py:1",
        ], name


def test_a_module_is_explained(world: CodeWorld) -> None:
    found = world.navigator.explain(world.permit(), "payments.service", question="한도를 확인하고 승인")
    assert [item.source.source_key for item in found.files] == ["payments/src/payments/service.py"]
    assert [item.path for item in found.files[0].symbols][:3] == [
        "PaymentService", "PaymentService.__init__", "PaymentService.approve",
    ]  # fmt: skip
    assert found.imports == ("payments.audit", "payments.gateway", "payments.limits")
    assert {use.spot.source.source_key for use in found.importers} == {
        "payments/src/app.py", "payments/tests/test_service.py",
    }  # fmt: skip
    assert "한도를 확인하고 승인한다" in "".join(item.chunk.text for item in found.passages)
    folder = world.navigator.explain(world.permit(), "src/payments", passages=0)
    assert len(folder.files) == 4 and folder.passages == ()
    by_symbol = world.navigator.explain(world.permit(), "LimitChecker", passages=0)
    assert [item.source.source_key for item in by_symbol.files] == ["payments/src/payments/limits.py"]
    with pytest.raises(SymbolNotFound):
        world.navigator.explain(world.permit(), "src/nothing")


def test_what_a_permit_does_not_cover_is_told_of_nobody(world: CodeWorld) -> None:
    assert world.navigator.definitions(world.permit("다른 은행"), "PaymentService") == ()
    assert world.navigator.uses(world.permit("다른 은행"), "charge").uses == ()
    key = world.permit().collections
    [collection] = key
    world.file(collection, "payments/src/app.py", PAYMENTS["src/app.py"], rule=AccessRule(label=Label.CONFIDENTIAL))
    sure = places(world.navigator.callers(world.permit(), "PaymentService.approve").uses)
    assert not any(place.startswith("payments/src/app.py") for place in sure)
    assert world.navigator.definitions(world.permit(), "main") == ()
    importers = world.navigator.importers(world.permit(), "payments.limits")
    assert "payments/src/app.py:2" not in places(importers)


def test_only_the_version_that_answers_is_read(world: CodeWorld) -> None:
    [collection] = world.permit().collections
    world.file(
        collection, "payments/src/payments/gateway.py", "def collect(amount: int) -> None:\n    pass\n", "f" * 40
    )
    permit = world.permit()
    assert [item.spot.source.source_key for item in world.navigator.definitions(permit, "charge")] == [
        "payments/src/billing/gateway.py"
    ]
    [found] = world.navigator.definitions(permit, "collect")
    assert found.spot.place == "payments/src/payments/gateway.py:1@ffffffffffff"


def test_scopes_name_repositories_paths_and_languages(world: CodeWorld) -> None:
    world.repository("mobile", {"src/charge.py": "def charge() -> None:\n    pass\n"})
    permit = world.permit()

    def found(scope: CodeScope) -> list[str]:
        return [item.spot.source.source_key for item in world.navigator.definitions(permit, "charge", scope=scope)]

    assert found(CodeScope(("mobile",))) == ["mobile/src/charge.py"]
    assert found(CodeScope(("payments",), "src/payments/**")) == ["payments/src/payments/gateway.py"]
    assert found(CodeScope(path="*gateway.py")) == [
        "payments/src/billing/gateway.py", "payments/src/payments/gateway.py",
    ]  # fmt: skip
    assert found(CodeScope(language="java")) == []
    assert len(found(CodeScope(("code",)))) == 3
    with pytest.raises(RepositoryNotFound):
        found(CodeScope(("nothing",)))


def test_signatures_and_lines_hide_personal_data(world: CodeWorld) -> None:
    [collection] = world.permit().collections
    text = 'def owner(phone: str = "010-2345-6789") -> None:\n    """전화 010-2345-6789."""\n'
    world.file(collection, "payments/src/owner.py", text)
    hide(world.database, collection)
    [found] = world.navigator.definitions(world.permit(), "owner")
    shown = " ".join((found.symbol.signature, found.symbol.doc, found.spot.text, *found.spot.after))
    assert "2345" not in shown and "def owner" in found.symbol.signature
    explained = world.navigator.explain(world.permit(), "src/owner.py", passages=0)
    assert "2345" not in str(explained)


def hide(database: Database, collection: UUID) -> None:
    with database.write() as session:
        session.get_one(Collection, collection).privacy = {"default": "mask"}
