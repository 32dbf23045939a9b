"""Nothing leaves before it is on record: piece by piece in a stream, and whatever the client does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.audit import Audited, RequestAudit, _Unrecorded, audit_of, client_address, some, surface_of, tell_rest
from api.hardening.settings import ConnectionSettings
from api.refusals import Refusals
from api.settings import ApiSettings
from rag.access.audit import AuditTrail
from rag.access.policy import Action
from rag.domain.audit import AuditEvent, AuditKind, Origin, Outcome
from rag.domain.errors import AuditUnavailable, StoreUnavailable
from rag.domain.principal import Permit, Principal
from rag.domain.principal import Scope as Right
from rag.store.session import Database
from tests.support.audit import TENANT
from tests.support.stores import add_collection, add_document, migrated

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


class Trail(AuditTrail):
    """Keeps what it is told in a list; can be out of order. Documents are looked up in an empty store."""

    store: ClassVar[Database]

    def __init__(self, broken_after: int = 100) -> None:
        super().__init__(self.store)
        self.told: list[AuditEvent] = []
        self.left = broken_after

    def record(self, *events: AuditEvent) -> None:
        if not events:
            return
        self.left -= 1
        if self.left < 0:
            raise AuditUnavailable
        self.told += events

    @property
    def kinds(self) -> list[tuple[AuditKind, Outcome]]:
        return [(item.kind, item.outcome) for item in self.told]


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The empty store."""
    Trail.store = migrated(f"sqlite:///{tmp_path_factory.mktemp('store') / 'seogo.sqlite'}")
    yield
    Trail.store.close()


class Answer:
    """An answer whose course a test decides."""

    def __init__(self) -> None:
        self.id, self.question = uuid4(), "연차는 며칠인가?"
        self.complete = self.abstained = False
        self.found: list[UUID] = []
        self.cited: list[UUID] = []
        self.blocked: list[str] = []


class _Route:
    path = "/answers"


def begun(scope: Scope, action: Action = Action.ASK, method: str = "POST") -> RequestAudit:
    """What a guard says of the request."""
    from starlette.requests import Request

    request = Request({**scope, "method": method, "route": _Route(), "path_params": {}})
    audit = audit_of(request)
    audit.matched(action, request)
    audit.known(Principal(ONE, "김민준", TENANT, frozenset({Right.READ})))
    audit.begin()
    return audit


def exchange(app: ASGIApp, trail: Trail, **options: Any) -> list[Message]:
    """What goes out for one request, each message with what was on record when it did."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append({**message, "on_record": len(trail.told)})

    scope = {"type": "http", "method": "POST", "path": "/api/v1/answers", "headers": [], "client": ("10.9.8.7", 1)}
    asyncio.run(Audited(app, trail, ApiSettings(), **options)(scope, receive, send))
    return sent


async def start(send: Send, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})


async def piece(send: Send, text: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": more})


def test_what_was_held_back_of_an_answer_and_what_else_a_request_did_are_entries_of_their_own() -> None:
    trail, answer = Trail(), Answer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        audit = begun(scope)
        audit.answering(answer)
        audit.also(AuditKind.LABEL_CHANGED, before="O", after="S")
        await start(send)
        answer.blocked = ["hidden", "hidden"]
        answer.complete = True
        await piece(send, b"all", more=False)

    exchange(app, trail)
    assert trail.kinds == [
        (AuditKind.ASKED, Outcome.DONE),
        (AuditKind.LABEL_CHANGED, Outcome.DONE),
        (AuditKind.ANSWERED, Outcome.DONE),
        (AuditKind.OUTPUT_BLOCKED, Outcome.DONE),
    ]
    assert (trail.told[1].detail["after"], trail.told[3].detail["blocked"]) == ("S", ["hidden"])
    assert "after" not in trail.told[0].detail


def test_an_answer_that_a_guard_stops_is_on_record() -> None:
    trail, answer = Trail(), Answer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope).answering(answer)
        answer.blocked = ["leak"]
        await start(send, 502)
        await piece(send, b"", more=False)

    exchange(app, trail)
    assert trail.kinds == [(AuditKind.ASKED, Outcome.FAILED), (AuditKind.OUTPUT_BLOCKED, Outcome.DONE)]


def test_callers_whom_nobody_knows_are_counted_and_told_of_once() -> None:
    trail, refusals = Trail(), Refusals(clock=lambda: 0.0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request({**scope, "route": _Route(), "path_params": {"document_id": "no id at all"}})
        audit_of(request).matched(Action.ASK, request)
        await start(send, 401)
        await piece(send, b"", more=False)

    for _ in range(3):
        exchange(app, trail, refusals=refusals)
    assert trail.kinds == [(AuditKind.SIGN_IN_FAILED, Outcome.DENIED)]
    assert trail.told[0].whose.documents == (), "what is no id names no document"
    tell_rest(trail, refusals)
    assert trail.kinds[1:] == [(AuditKind.SIGN_IN_FAILED, Outcome.DENIED)]
    assert trail.told[1].detail == {"refused_elsewhere": 2}
    tell_rest(trail, refusals)
    assert len(trail.told) == 2, "nothing is left to tell"


def test_refusals_that_can_be_put_nowhere_are_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(clock=lambda: 0.0)
    for _ in range(2):
        refusals.told("10.9.8.7")
    tell_rest(Trail(broken_after=0), refusals)
    assert "1 refusals were counted" in caplog.text


def test_raw_values_that_were_shown_are_an_entry_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope, Action.READ_DOCUMENTS, "GET").saw([ONE, TWO])
        await start(send)
        await piece(send, b"", more=False)

    monkeypatch.setattr("api.audit.revealed", lambda session, principal, shown: [TWO])
    trail = Trail()
    exchange(app, trail)
    assert trail.kinds[1] == (AuditKind.PERSONAL_DATA_REVEALED, Outcome.DONE)
    assert trail.told[1].whose.documents == (TWO,)

    def away(*_: Any) -> list[UUID]:
        raise StoreUnavailable

    monkeypatch.setattr("api.audit.revealed", away)
    assert exchange(app, Trail())[0]["status"] == 503, "what can't be looked up can't be put on record"
    lenient = Trail()
    lenient.required = False
    assert exchange(app, lenient)[0]["status"] == 200 and len(lenient.told) == 1


def test_whoever_knows_a_credential_made_for_somebody_else_is_named() -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        audit = begun(scope)
        audit.known(Principal(ONE, "위젯", TENANT, frozenset({Right.READ}), made_by=THREE))
        await start(send)
        await piece(send, b"", more=False)

    exchange(app, trail)
    assert trail.told[0].detail["made_by"] == str(THREE)


def test_a_list_and_a_search_name_what_they_show() -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        audit = begun(scope, Action.READ_DOCUMENTS, "GET")
        audit.permitted(Permit(Principal(ONE, "김", TENANT, frozenset({Right.READ})), frozenset({THREE})), named=False)
        audit.listed([(THREE, ONE), (THREE, None), (TWO, TWO)])
        audit.searched("연차는?", [ONE])
        await start(send)
        await piece(send, b"", more=False)

    exchange(app, trail)
    [entry] = trail.told
    assert entry.whose.documents == (ONE, TWO) and entry.whose.collections == (TWO, THREE)
    assert entry.detail["listed"] == {str(THREE): 2, str(TWO): 1} and entry.detail["question_characters"] == 4
    assert some("names", ["나", "가"]) == {"names": ["가", "나"], "names_count": 2}


def test_what_is_made_is_named_though_no_permit_knows_it_yet() -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        audit = begun(scope, Action.CREATE_COLLECTION)
        audit.about(THREE, name="사규")
        assert audit.origin.ip == "10.9.8.7"
        await start(send, 201)
        await piece(send, b"", more=False)

    exchange(app, trail)
    before, entry = trail.told
    assert (before.outcome, before.whose.collections) == (Outcome.BEGUN, ())
    assert (entry.whose.collections, entry.detail["name"]) == ((THREE,), "사규")


def test_the_collections_of_a_search_are_those_of_its_permit() -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        audit = begun(scope)
        audit.permitted(Permit(Principal(ONE, "김", TENANT, frozenset({Right.READ})), frozenset({THREE})), named=False)
        await start(send)
        await piece(send, b"", more=False)

    exchange(app, trail)
    assert trail.told[0].whose.collections == (THREE,)


def test_without_a_trail_there_is_nothing_to_put_on_it() -> None:
    audit = RequestAudit(None, Origin())
    with pytest.raises(AssertionError):
        audit.record()
    quiet = Request({"type": "http", "method": "GET", "path": "/v1/models", "path_params": {}, "headers": []})
    audit.matched(Action.LIST_MODELS, quiet)
    audit.opening(200)
    audit.record()
    assert not audit.due()


def test_a_stream_is_on_record_piece_by_piece() -> None:
    trail, answer = Trail(), Answer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        audit = begun(scope)
        audit.answering(answer)
        answer.found = [ONE]
        await start(send)
        await piece(send, b"first")
        answer.found = [ONE, TWO]
        await piece(send, b"second")
        answer.cited, answer.complete = [TWO], True
        await piece(send, b"", more=False)

    sent = exchange(app, trail)
    assert [item["on_record"] for item in sent] == [1, 1, 2, 3]
    assert [item.kind for item in trail.told] == [AuditKind.ASKED, AuditKind.DOCUMENTS_SHOWN, AuditKind.ANSWERED]
    assert [item.whose.documents for item in trail.told] == [(ONE,), (TWO,), (TWO,)]
    assert {item.origin.ip for item in trail.told} == {"10.9.8.7"}


def test_what_cannot_be_recorded_is_not_begun() -> None:
    trail = Trail(broken_after=0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope).saw([ONE])
        await start(send)
        await piece(send, b"secret", more=False)

    sent = exchange(app, trail)
    assert sent[0]["status"] == 503
    assert b"secret" not in b"".join(item.get("body", b"") for item in sent)
    assert b"audit_unavailable" in sent[1]["body"]


def test_an_application_that_goes_on_sending_is_not_heard() -> None:
    trail = Trail(broken_after=0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope).saw([ONE])
        for _ in range(2):
            try:
                await start(send)
                await piece(send, b"secret", more=False)
            except Exception:  # some layer that hides what went wrong
                continue

    sent = exchange(app, trail)
    assert [item["type"] for item in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 503


def test_a_stream_that_cannot_be_recorded_any_more_ends() -> None:
    trail = Trail(broken_after=1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        audit = begun(scope)
        audit.saw([ONE])
        await start(send)
        await piece(send, b"first")
        audit.saw([TWO])
        await piece(send, b"secret", more=False)

    with pytest.raises(_Unrecorded):  # the server closes the connection: a client sees that the stream is not whole
        exchange(app, trail)
    assert len(trail.told) == 1


def test_who_hangs_up_leaves_an_answer_that_broke_off() -> None:
    trail, answer = Trail(), Answer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope).answering(answer)
        answer.found = [ONE]
        await start(send)
        answer.found = [ONE, TWO]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        exchange(app, trail)
    assert trail.kinds == [
        (AuditKind.ASKED, Outcome.DONE),
        (AuditKind.DOCUMENTS_SHOWN, Outcome.DONE),
        (AuditKind.ANSWER_BROKEN_OFF, Outcome.FAILED),
    ]


def test_who_hangs_up_before_there_was_a_status_is_on_record() -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope)

    assert exchange(app, trail) == []
    assert trail.kinds == [(AuditKind.ASKED, Outcome.REJECTED)]
    assert trail.told[0].detail["status"] == 499


def test_an_end_that_cannot_be_recorded_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope)

    exchange(app, Trail(broken_after=0))
    assert "could not be put on record" in caplog.text


def test_an_unexpected_error_is_on_record_before_it_goes_on() -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exchange(app, trail)
    assert len(trail.told) == 1


def test_a_change_is_on_record_first() -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope, Action.CHANGE_GLOSSARY)
        assert trail.kinds == [(AuditKind.GLOSSARY_CHANGED, Outcome.BEGUN)]
        await start(send, 422)

    exchange(app, trail)
    assert trail.kinds[1] == (AuditKind.GLOSSARY_CHANGED, Outcome.REJECTED)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuditKind.SIGN_IN_FAILED), (403, AuditKind.DENIED), (429, AuditKind.RATE_LIMITED)],
)
def test_a_refusal_names_no_documents(status: int, kind: AuditKind) -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope).saw([ONE])
        await start(send, status)

    exchange(app, trail)
    [event] = trail.told
    assert (event.kind, event.outcome, event.whose.documents) == (kind, Outcome.DENIED, ())
    assert event.detail["attempted"] == AuditKind.ASKED


def test_what_leaves_no_entry_where_it_is_allowed_leaves_one_where_it_is_refused() -> None:
    for status, count in ((200, 0), (403, 1)):
        trail = Trail()

        async def app(scope: Scope, receive: Receive, send: Send, status: int = status) -> None:
            begun(scope, Action.LIST_MODELS, "GET")
            await start(send, status)

        exchange(app, trail)
        assert len(trail.told) == count


def test_a_route_without_a_guard_and_other_protocols_leave_nothing() -> None:
    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await start(send)

    assert len(exchange(app, trail)) == 1
    asyncio.run(Audited(app, trail, ApiSettings())({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert trail.told == []


def test_without_a_middleware_nothing_is_recorded_and_nothing_fails() -> None:
    audit = begun({"type": "http", "path": "/x", "headers": [], "method": "POST", "query_string": b""})
    audit.saw([ONE])
    assert not audit.due()
    audit.close()


def test_many_collections_are_counted() -> None:
    from rag.domain.principal import Permit

    trail = Trail()
    principal = Principal(ONE, "a", TENANT, frozenset())
    ids = frozenset(UUID(int=number) for number in range(150))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope).permitted(Permit(principal, ids), named=False)
        await start(send)

    exchange(app, trail)
    assert len(trail.told[0].whose.collections) == 100
    assert trail.told[0].detail["collections"] == 150


@pytest.fixture
def about_persons(tmp_path: Path) -> Iterator[tuple[Database, UUID]]:
    """A store with a document about somebody."""
    from rag.domain.filters import checked_attributes
    from rag.store import attribute

    database = migrated(f"sqlite:///{tmp_path / 'a.sqlite'}")
    collection = add_collection(database)
    with database.write() as session:
        document = add_document(session, collection)
        attribute.replace_attributes(session, document.id, checked_attributes({"patient_no": "가-0017"}))
    yield database, document.id
    database.close()


def test_whose_data_it_was_is_named_where_an_attribute_says_so(about_persons: tuple[Database, UUID]) -> None:
    trail = Trail()
    trail.database, document_id = about_persons

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope).saw([document_id, TWO])
        await start(send)

    exchange(app, trail, subject_attribute="patient_no")
    assert trail.told[0].whose.subjects == ("가-0017",)
    exchange(app, trail)
    assert trail.told[1].whose.subjects == ()


PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (("192.0.2.7", 1), "203.0.113.9", "192.0.2.7"),  # nobody whose word counts
        (("10.0.0.1", 1), "203.0.113.9", "203.0.113.9"),
        (
            ("10.0.0.1", 1),
            "198.51.100.1, 203.0.113.9",
            "203.0.113.9",
        ),  # what the client wrote itself stands to the left
        (("10.0.0.1", 1), "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (("10.0.0.1", 1), "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (("10.0.0.1", 1), "nonsense", "10.0.0.1"),
        (("10.0.0.1", 1), "", "10.0.0.1"),
        (("fd00::1", 1), "2001:db8::5", "2001:db8::5"),
        (None, "203.0.113.9", "local"),
    ],
)
def test_only_proxies_of_ours_say_where_a_client_is(peer: Any, forwarded: str, address: str) -> None:
    headers = Headers({"x-forwarded-for": forwarded})
    assert client_address({"client": peer}, headers, PROXIES) == address


def test_the_record_believes_the_proxies_that_the_connections_are_counted_by() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun(scope)
        await start(send)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        assert message["type"] == "http.response.start"

    scope = {"type": "http", "method": "POST", "path": "/api/v1/answers", "client": ("10.9.8.7", 1)}
    headers = [(b"x-forwarded-for", b"203.0.113.9")]
    addresses = []
    for proxies in ((), ("10.0.0.0/8",)):
        trail = Trail()
        settings = ApiSettings(connections=ConnectionSettings(trusted_proxies=proxies))
        asyncio.run(Audited(app, trail, settings)({**scope, "headers": headers}, receive, send))
        addresses.append(trail.told[0].origin.ip)
    assert addresses == ["10.9.8.7", "203.0.113.9"]


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/api/v1/search", "native"),
        ("/v1/chat/completions", "openai"),
        ("/rerank", "openai"),
        ("/dify/retrieval", "dify"),
        ("/continue/context", "continue"),
        ("/", "native"),
    ],
)
def test_the_door_is_known_by_its_path(path: str, surface: str) -> None:
    assert surface_of(path) == surface


@pytest.mark.parametrize(("status", "outcome"), [(303, Outcome.DONE), (403, Outcome.DENIED), (400, Outcome.DENIED)])
def test_a_sign_in_is_on_record_though_no_guard_stands_before_it(status: int, outcome: Outcome) -> None:
    from starlette.requests import Request

    trail, came = Trail(), Principal(ONE, "김민준", TENANT, frozenset({Right.READ}), credential=TWO)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        audit_of(request).arrived(request, came if status == 303 else None, provider="사내", code="x")
        await start(send, status)

    exchange(app, trail)
    [event] = trail.told
    assert (event.kind, event.outcome) == (
        AuditKind.SIGNED_IN if status == 303 else AuditKind.SIGN_IN_FAILED,
        outcome,
    )
    assert (event.who.id, event.who.credential) == ((ONE, TWO) if status == 303 else (None, None))
    assert event.detail["provider"] == "사내"
    assert "attempted" not in event.detail


def test_who_is_turned_away_before_a_route_was_looked_for_is_on_record() -> None:
    from starlette.requests import Request

    trail = Trail()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        audit_of(Request(scope)).turned_away(Request(scope))
        await start(send, 401)
        await piece(send, b"", more=False)

    exchange(app, trail)
    [entry] = trail.told
    assert (entry.kind, entry.outcome) == (AuditKind.SIGN_IN_FAILED, Outcome.DENIED)
    assert (entry.what, entry.detail) == ("POST /api/v1/answers", {"status": 401})
