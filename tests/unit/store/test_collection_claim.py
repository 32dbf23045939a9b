"""Who looks through a collection again is alone at it, as long as the transaction is open."""

from __future__ import annotations

from uuid import UUID

from rag.store.collection import claim_settling
from rag.store.session import Database

ONE, OTHER = UUID(int=1), UUID(int=2)


def test_a_claim_holds_others_off_until_its_transaction_ends(database: Database) -> None:
    with database.read() as first, database.read() as second:
        assert claim_settling(first, ONE)
        assert claim_settling(second, ONE) is database.is_sqlite  # which has one worker
        assert claim_settling(second, OTHER)
    with database.read() as third:
        assert claim_settling(third, ONE) and claim_settling(third, OTHER)
