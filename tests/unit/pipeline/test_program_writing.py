"""One generation of a job: how long it may take, and what becomes of it after that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ingest.jobs.programs import _may_pass
from ingest.pipeline.program_writing import Written, written_by
from rag.domain.errors import GenerationStopped, ModelTimeout
from rag.domain.messages import localized
from rag.generation.engine import EngineCall, Patience, ReasoningDelta
from rag.generation.scripted import ScriptedEngine, Step, spoken

CALL = EngineCall([{"role": "user", "content": "운임을 계산한다."}])
LATE = ModelTimeout(name="scripted")


def written(script: Sequence[Step], patience: Patience | None) -> Written:
    async def look(_: Written) -> None:
        pass

    call = EngineCall(CALL.messages, patience=patience)
    return asyncio.run(written_by(ScriptedEngine([script]), call, look, 60.0))


def test_what_takes_longer_than_it_may_is_not_begun_again() -> None:
    with pytest.raises(GenerationStopped) as stopped:
        written([ReasoningDelta("음"), 0.1, LATE], Patience(1, 1, 0.05))
    assert not _may_pass(stopped.value)
    assert "제한 시간" in localized(stopped.value, "ko") and "its time" in localized(stopped.value, "en")


@pytest.mark.parametrize("patience", [None, Patience(1, 1, 60)])
def test_an_engine_that_was_late_before_that_is_asked_again(patience: Patience | None) -> None:
    with pytest.raises(ModelTimeout) as late:
        written([LATE], patience)
    assert _may_pass(late.value)
    assert written(spoken("끝"), patience).text == "끝"
