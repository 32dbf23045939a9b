"""What a directory is told: the same codes in every language, a sentence in the reader's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from scim2_models import Error, InvalidFilterException, NotFoundException, SCIMException, UniquenessException

from api import scim_errors
from api.scim_errors import told_in
from rag.access import federation_scim

HANGUL = re.compile("[가-힣]")


@pytest.mark.parametrize(
    ("error", "korean"),
    [
        (NotFoundException(detail="there is no such user"), "그런 사용자가 없습니다."),
        (NotFoundException(), "그런 자원이 없습니다. (Specified resource or endpoint does not exist)"),
        (UniquenessException(detail="userName or externalId is taken"), "다른 사용자가 이미"),
        (InvalidFilterException(detail="foo is no attribute"), "지원하지 않습니다. (foo is no attribute)"),
        (SCIMException(detail="?"), "요청을 처리할 수 없습니다. (?)"),
    ],
    ids=["own", "by status", "own and taken", "of the library", "of no kind"],
)
def test_the_sentence_is_korean_and_the_codes_stay(error: SCIMException, korean: str) -> None:
    told = told_in(error.to_error(), "ko")
    assert korean in str(told.detail)
    assert (told.status, told.scim_type) == (error.to_error().status, error.to_error().scim_type)
    assert told_in(error.to_error(), "en") == error.to_error()


def test_every_kind_of_the_standard_has_a_sentence() -> None:
    kinds = {item.scim_type for item in SCIMException.__subclasses__() if item.scim_type}
    for kind in kinds:
        assert HANGUL.search(str(told_in(Error(status=400, scim_type=kind, detail=None), "ko").detail))
        assert kind in scim_errors._KINDS, kind


def test_every_sentence_of_this_service_is_known() -> None:
    """A new one in English alone would stand behind a general Korean one."""
    for module in ("rag/access/federation_scim.py", "api/routes/scim.py"):
        tree = ast.parse((Path(federation_scim.__file__).parents[2] / module).read_text())
        said = {
            item.value.value
            for item in ast.walk(tree)
            if isinstance(item, ast.keyword) and item.arg == "detail" and isinstance(item.value, ast.Constant)
        }
        assert said and said <= scim_errors._OWN.keys()
    assert {federation_scim._NO_USER, federation_scim._NO_GROUP} <= scim_errors._OWN.keys()
