"""Which configured model gets a job, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import ConfigurationError, InvalidRequest, UnknownModel
from rag.domain.language import Language
from rag.generation.catalogue import load_catalogue
from rag.generation.catalogue_routing import LONG_CONTEXT, CatalogueRouter
from rag.generation.catalogue_serving import described
from rag.generation.routing import Choice, Job
from rag.generation.scripted import ScriptedEngine
from rag.settings import GenerationSettings, JobKind, ServedModel

CATALOGUE = load_catalogue()
LOOPS, STEADY = "Qwen3.6-35B-A3B", "Qwen3.6-27B"
KINDS: tuple[JobKind, ...] = ("interactive", "precise", "long_context", "code", "batch")


def router(*models: str | dict[str, Any], **settings: Any) -> CatalogueRouter:
    served = tuple(
        ServedModel(**({"urls": ("http://gpu1:8000/v1",)} | ({"name": one} if isinstance(one, str) else one)))
        for one in models
    )
    engines = {one.name: ScriptedEngine.saying("네.", name=one.name) for one in served}
    for one in served:
        engines[one.name].context_tokens = described(one, CATALOGUE).context_tokens or 8192
    return CatalogueRouter(engines, CATALOGUE, GenerationSettings(models=served, **settings))


def chosen(choice: Choice) -> str:
    return choice.engine.name


def said(choice: Choice, text: str) -> bool:
    return any(text in reason for reason in choice.reasons)


ALL = (LOOPS, STEADY, "Qwen3-32B", "Llama-3.3-70B", "A.X-4.0", "Qwen2.5-VL-72B", "Qwen3-Coder-30B-A3B")


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Job("interactive"), LOOPS),
        (Job("precise"), STEADY),
        (Job("code"), STEADY),
        (Job("batch"), "Qwen3-32B"),
        (Job("long_context"), STEADY),
        (Job("interactive", 90_000), STEADY),
        (Job("batch", 60_000, 30_000), STEADY),
        (Job("interactive", needs_tools=True), STEADY),
        (Job("interactive", needs_vision=True), "Qwen2.5-VL-72B"),
        (Job("code", needs_tools=True, language=Language.KOREAN), STEADY),
    ],
)
def test_which_model_for_which_job(job: Job, expected: str) -> None:
    assert chosen(router(*ALL).choose(job)) == expected


def test_korean_decides_where_nothing_else_does() -> None:
    pair = router("Llama-3.1-70B", "A.X-4.0")
    assert chosen(pair.choose(Job("precise", language=Language.KOREAN))) == "A.X-4.0"
    assert chosen(pair.choose(Job("batch", language=Language.KOREAN))) == "A.X-4.0"


def test_without_ranks_the_job_decides_by_size_or_room() -> None:
    both = router("Llama-3.1-8B", "Llama-3.1-70B", "Qwen3-30B-A3B-Instruct-2507")
    assert chosen(both.choose(Job("interactive"))) == "Qwen3-30B-A3B-Instruct-2507"
    assert chosen(both.choose(Job("precise"))) == "Llama-3.1-70B"
    assert chosen(both.choose(Job("long_context"))) == "Qwen3-30B-A3B-Instruct-2507"


def test_settings_choose_the_model_of_a_job() -> None:
    made = router(*ALL, jobs={"interactive": "A.X-4.0"})
    choice = made.choose(Job("interactive"))
    assert chosen(choice) == "A.X-4.0" and said(choice, "set for interactive")
    assert chosen(made.choose(Job("precise"))) == STEADY


def test_one_that_was_set_but_cannot_gives_way_and_it_is_said() -> None:
    made = router(*ALL, jobs={"interactive": "Qwen3-32B"})
    choice = made.choose(Job("interactive", 50_000))
    assert chosen(choice) == LOOPS
    assert said(choice, "Qwen3-32B takes 40,960 tokens, the job needs 50,000")


def test_more_than_80k_never_goes_to_the_model_that_loops() -> None:
    for asked in ("", LOOPS):
        choice = router(LOOPS, STEADY).choose(Job("interactive", 79_000, 1_001, model=asked))
        assert chosen(choice) == STEADY
        assert said(choice, f"{LOOPS} repeats itself above 80,000 tokens, the job needs 80,001")
    assert chosen(router(LOOPS, STEADY).choose(Job("interactive", 79_000, 1_000))) == LOOPS
    with pytest.raises(InvalidRequest, match=r"80,001 tokens.* is 80,000"):
        router(LOOPS).choose(Job("interactive", 80_001))


def test_too_long_for_all_says_both_numbers() -> None:
    with pytest.raises(InvalidRequest, match=r"need 300,000 tokens.* is 262,144"):
        router(*ALL).choose(Job("interactive", 299_000, 1_000))


def test_images_and_tools_that_nobody_has() -> None:
    with pytest.raises(InvalidRequest, match="takes images"):
        router("Qwen3-32B").choose(Job("interactive", needs_vision=True))
    with pytest.raises(InvalidRequest, match="calls tools"):
        router("Phi-4").choose(Job("interactive", needs_tools=True))
    with pytest.raises(InvalidRequest, match="images and calls tools"):
        router("Qwen3-32B", "Gemma-3-27b-it").choose(Job("interactive", needs_vision=True, needs_tools=True))


def test_images_avoid_the_engine_that_takes_text_alone() -> None:
    on_ollama = {"name": STEADY, "engine": "ollama"}
    assert chosen(router(on_ollama, "Gemma-3-27b-it").choose(Job("precise", needs_vision=True))) == "Gemma-3-27b-it"
    with pytest.raises(InvalidRequest, match="images"):
        router(on_ollama).choose(Job("precise", needs_vision=True))
    assert chosen(router(STEADY).choose(Job("precise", needs_vision=True))) == STEADY
    stated = on_ollama | {"vision": True}
    assert chosen(router(stated).choose(Job("precise", needs_vision=True))) == STEADY


def test_tools_avoid_the_engine_whose_parser_fails() -> None:
    on_sglang = {"name": STEADY, "engine": "sglang"}
    choice = router(on_sglang, "Qwen3-32B").choose(Job("precise", needs_tools=True))
    assert chosen(choice) == "Qwen3-32B"
    alone = router(on_sglang).choose(Job("precise", needs_tools=True))
    assert chosen(alone) == STEADY and said(alone, "known to fail on sglang")
    assert chosen(router(on_sglang, "Qwen3-32B").choose(Job("precise"))) == STEADY


def test_thinking_is_kept_in_conversations_with_tools() -> None:
    choice = router(STEADY).choose(Job("interactive", needs_tools=True))
    assert choice.sampling.extra == {"chat_template_kwargs": {"preserve_thinking": True}}
    assert not router(STEADY).choose(Job("interactive")).sampling.extra
    on_ollama = {"name": STEADY, "engine": "ollama"}
    assert not router(on_ollama).choose(Job("interactive", needs_tools=True)).sampling.extra


def test_names_aliases_and_adapters() -> None:
    house = {"name": "house", "catalogue": STEADY, "adapters": ("hr", "legal")}
    made = router(house, "Qwen3-32B", aliases={"HCP-LLM-Latest": "newest", "newest": "house", "인사": "hr"})
    choice = made.choose(Job("interactive", model="HCP-LLM-Latest"))
    assert chosen(choice) == "house" and said(choice, f"HCP-LLM-Latest is house ({STEADY})") and choice.adapter == ""
    for name in (STEADY, "qwen/qwen3.6-27b"):
        assert said(made.choose(Job("interactive", model=name)), f"{name} is house")
    for name in ("hr", "house:hr", "인사"):
        choice = made.choose(Job("interactive", model=name))
        assert (chosen(choice), choice.adapter) == ("house", "hr") and said(choice, "hr is an adapter of house")
        assert made.named(name) == (choice.engine, "hr")
    assert made.named("HCP-LLM-Latest") == made.named(STEADY) == (made.choose(Job("code", model="house")).engine, "")
    for name in ("GPT-7", "house:sales", "Qwen3-32B:hr", "A.X-4.0"):
        assert made.named(name) is None
        with pytest.raises(UnknownModel):
            made.choose(Job("interactive", model=name))


def test_an_adapter_is_not_replaced_by_another_model() -> None:
    small = {"name": "small", "catalogue": "Qwen3-32B", "adapters": ("hr",)}
    with pytest.raises(InvalidRequest, match="adapter hr"):
        router(small, STEADY).choose(Job("interactive", 50_000, model="hr"))


@pytest.mark.parametrize(
    ("job", "settings", "thinking", "preset"),
    [
        (Job("interactive", grounded=True), "auto", False, 0.6),
        (Job("interactive", grounded=True, multi_step=True), "auto", True, 0.6),
        (Job("interactive", grounded=True), "on", True, 0.6),
        (Job("interactive", grounded=True, multi_step=True, thinking=False), "on", False, 0.6),
        (Job("interactive", grounded=True, thinking=True), "off", True, 0.6),
        (Job("interactive"), "auto", False, 0.7),
        (Job("precise"), "auto", True, 1.0),
        (Job("interactive", thinking=True), "auto", True, 1.0),
        (Job("code"), "auto", True, 0.6),
        (Job("batch"), "auto", True, 0.6),
        (Job("batch"), "off", False, 0.6),
    ],
)
def test_thinking_and_sampling(job: Job, settings: str, thinking: bool, preset: float) -> None:
    choice = router(STEADY, thinking=settings).choose(job)
    assert (choice.thinking, choice.sampling.temperature) == (thinking, preset)
    assert said(choice, f"thinking {'on' if thinking else 'off'}")
    if preset == 0.7:
        assert (choice.sampling.top_p, choice.sampling.presence_penalty) == (0.8, 1.5)


@pytest.mark.parametrize(
    ("job", "thinking"),
    [
        (Job("batch"), True),
        (Job("interactive", grounded=True), False),
        (Job("interactive", grounded=True, thinking=True), True),
        (Job("code"), False),
        (Job("precise"), True),
        (Job("interactive", 90_000), True),
        (Job("batch", 90_000), True),
        (Job("code", 90_000), True),
    ],
)
def test_thinking_is_set_by_class_of_job(job: Job, thinking: bool) -> None:
    """What is set for the class stands above what is set for all; `auto` is the router's own rule; a request above both."""
    settings = {"batch": "on", "precise": "auto", "long_context": "on"}
    choice = router(STEADY, thinking="off", job_thinking=settings).choose(job)
    assert choice.thinking is thinking
    assert said(choice, f"thinking {'on' if thinking else 'off'}")


def test_a_program_thinks_as_its_class_is_set() -> None:
    assert router(STEADY).choose(Job("batch")).thinking is True
    assert router(STEADY, job_thinking={"batch": "off"}).choose(Job("batch")).thinking is False


def test_what_a_model_can_stands_above_what_is_asked() -> None:
    always = router("gpt-oss-20b").choose(Job("interactive", thinking=False))
    assert always.thinking is True and said(always, "always thinks")
    never = router("A.X-4.0").choose(Job("interactive", thinking=True))
    assert never.thinking is False and said(never, "does not think")
    unknown = router({"name": "house", "context_tokens": 8192})
    assert unknown.choose(Job("interactive", thinking=True)).thinking is True
    assert said(unknown.choose(Job("interactive")), "sampling: the model's own")


def test_what_is_wrong_in_the_settings_is_said_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"jobs\.batch: GPT-7"):
        router(STEADY, jobs={"batch": "GPT-7"})
    with pytest.raises(ConfigurationError, match=r"aliases\.newest: GPT-7"):
        router(STEADY, aliases={"newest": "GPT-7"})
    with pytest.raises(ConfigurationError, match="circle"):
        router(STEADY, aliases={"a": "b", "b": "a"})
    with pytest.raises(ConfigurationError, match="none to choose"):
        router()
    served = GenerationSettings(models=(ServedModel(name=STEADY, urls=("http://gpu1/v1",)),))
    with pytest.raises(ConfigurationError, match="no engine"):
        CatalogueRouter({}, CATALOGUE, served)


GENERATORS = sorted(entry.name for entry in CATALOGUE if entry.kind == "generator")
JOBS = st.builds(
    Job,
    kind=st.sampled_from(KINDS),
    prompt_tokens=st.one_of(st.integers(0, 200_000), st.integers(79_000, 81_000)),
    answer_tokens=st.integers(0, 4_000),
    needs_vision=st.booleans(),
    needs_tools=st.booleans(),
    language=st.sampled_from([None, Language.KOREAN, Language.ENGLISH]),
    thinking=st.sampled_from([None, True, False]),
    grounded=st.booleans(),
    multi_step=st.booleans(),
)


@given(
    st.lists(st.sampled_from(GENERATORS), min_size=1, max_size=5, unique=True),
    st.sampled_from(["vllm", "sglang", "ollama"]),
    JOBS,
    st.booleans(),
)
def test_what_holds_for_every_choice(names: list[str], engine: str, job: Job, ask: bool) -> None:
    made = router(*({"name": name, "engine": engine} for name in names))
    asked = Job(**{**{f: getattr(job, f) for f in job.__slots__}, "model": names[0]}) if ask else job
    needed = job.prompt_tokens + job.answer_tokens
    try:
        choice = made.choose(asked)
    except InvalidRequest as refusal:
        assert all(not able(name, engine, job) for name in names), refusal
        return
    name = chosen(choice)
    assert able(name, engine, job)
    assert not (name == LOOPS and needed > LONG_CONTEXT)
    if ask and able(names[0], engine, job):
        assert name == names[0]
    entry = CATALOGUE.entries[name]
    assert not (entry.thinking == "none" and choice.thinking)
    assert not (entry.thinking == "always" and choice.thinking is False)
    assert choice.reasons and len(set(choice.reasons)) == len(choice.reasons)
    assert made.choose(asked) == choice


@pytest.mark.parametrize(
    ("name", "leads"),
    [
        ("DeepSeek-R1", {True, False, None}),
        ("Qwen3-30B-A3B-Thinking-2507", {True, False, None}),
        ("Qwen3-32B", {True}),
        ("gpt-oss-20b", set()),  # thinks always, in channels
        ("HyperCLOVAX-SEED-Think-14B", set()),  # with a switch, and nobody knows which marks
        ("SmolLM3-3B", set()),
        ("Qwen3-30B-A3B-Instruct-2507", set()),
        ("our-own-model", set()),
    ],
)
def test_whose_content_begins_with_reasoning(name: str, leads: set[bool | None]) -> None:
    assert described(ServedModel(name=name, urls=("http://gpu1/v1",)), CATALOGUE).leads == leads


def able(name: str, engine: str, job: Job) -> bool:
    """The same by the catalogue alone."""
    entry = CATALOGUE.entries[name]
    known = described(ServedModel(name=name, engine=engine, urls=("http://gpu1/v1",)), CATALOGUE)  # type: ignore[arg-type]
    room = known.context_tokens or 8192
    room = min(room, 80_000) if name == LOOPS else room
    tools = entry.parsers is None or entry.parsers.tool != "none"
    return (
        job.prompt_tokens + job.answer_tokens <= room
        and (known.vision or not job.needs_vision)
        and (tools or not job.needs_tools)
    )
