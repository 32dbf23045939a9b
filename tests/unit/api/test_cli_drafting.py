"""Nobody waits for the drafts of questions as for an answer."""

from __future__ import annotations

import pytest

from api.cli.evaluation_drafting import _chat_model
from rag.generation.openai_chat import OpenAiChat
from rag.settings import ChatSettings


@pytest.mark.parametrize(("given", "expected"), [({}, 30.0), ({"timeout_s": 5}, 30.0), ({"timeout_s": 90}, 90.0)])
def test_a_model_has_longer_for_a_draft_than_for_a_question_that_is_waited_for(
    given: dict[str, int], expected: float
) -> None:
    chat = _chat_model(ChatSettings(url="http://127.0.0.1:1/v1", model="m", **given))
    assert isinstance(chat, OpenAiChat)
    assert chat._server._patience.timeout_s == expected
    chat.close()
