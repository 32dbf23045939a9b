"""The reranker contract on every backend that runs in this process, and each beside the library that it loads with."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.domain.errors import ConfigurationError
from rag.reranking.base import Reranker
from rag.reranking.pair_tokenizer import ChatPrompt, TemplatePrompt
from rag.reranking.registry import RERANKERS, open_reranker
from rag.reranking.scripted import ScriptedReranker
from rag.settings import RerankingSettings
from tests.contract.reranker_contract import RerankerContract
from tests.support.tiny_rerankers import MAKERS, QUESTION, passages, tiny_cross_encoder

LOCAL = sorted(MAKERS)
CLOSE = 1e-4
MAX_TOKENS = 200
MOST = {"qwen3": 600, "flag": 400}
"""The prompt of qwen3 alone is some 250 of the tiny tokenizer's tokens."""

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # of libraries that FlagEmbedding imports


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("재순위")
    return {name: make(parent / name) for name, make in MAKERS.items()}


def settings_for(backend: Any, folder: Path | None, **more: Any) -> RerankingSettings:
    return RerankingSettings(backend=backend, folder=folder, **{"max_tokens": MOST.get(backend, MAX_TOKENS), **more})


@pytest.fixture(scope="module", params=LOCAL)
def opened(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Iterator[Reranker]:
    found = open_reranker(settings_for(request.param, folders[request.param]))
    assert found is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found.score("warm-up", ["warm-up"])
    yield found


class TestLocal(RerankerContract):
    @pytest.fixture
    def reranker(self, opened: Reranker) -> Reranker:
        return opened


class TestScripted(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Reranker:
        return ScriptedReranker()


def test_scores_of_flag_are_the_library_s(folders: dict[str, Path]) -> None:
    from FlagEmbedding import FlagReranker

    texts = passages(30)
    library = FlagReranker(str(folders["flag"]), use_fp16=False, devices="cpu", max_length=MOST["flag"])
    expected = library.compute_score([(QUESTION, text) for text in texts], normalize=True)
    found = open_reranker(settings_for("flag", folders["flag"]))
    assert found is not None
    assert_nothing_is_cut(TemplatePrompt((folders["flag"] / "tokenizer.json").read_text()), texts)
    assert found.score(QUESTION, texts) == pytest.approx(expected, abs=CLOSE)


def test_scores_of_cross_encoders_are_the_library_s(folders: dict[str, Path]) -> None:
    from sentence_transformers import CrossEncoder

    texts = passages(30)
    library = CrossEncoder(str(folders["cross_encoder"]), device="cpu")
    expected = library.predict([(QUESTION, text) for text in texts]).tolist()
    found = open_reranker(settings_for("cross_encoder", folders["cross_encoder"], max_tokens=256))
    assert found is not None
    assert found.score(QUESTION, texts) == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize(
    "instruction", ["", "Given a question of a bank's employee, retrieve the rule that answers it"]
)
def test_scores_of_qwen3_are_the_card_s(folders: dict[str, Path], instruction: str) -> None:
    texts = [*passages(30), "(괄호)", "", " 앞에 빈칸", "3일", "\n새 줄"]
    expected = as_on_the_card(folders["qwen3"], instruction, QUESTION, texts)
    found = open_reranker(settings_for("qwen3", folders["qwen3"], max_tokens=2048, instruction=instruction))
    assert found is not None
    assert found.score(QUESTION, texts) == pytest.approx(expected, abs=CLOSE)


def as_on_the_card(folder: Path, instruction: str, query: str, texts: list[str]) -> list[float]:
    """The steps of the model card's reference code: all tokenised at once, padded on the left, one batch."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    task = instruction or "Given a web search query, retrieve relevant passages that answer the query"
    pairs = [f"<Instruct>: {task}\n<Query>: {query}\n<Document>: {text}" for text in texts]
    before, after = (
        tokenizer.encode(part, add_special_tokens=False) for part in (ChatPrompt._BEFORE, ChatPrompt._AFTER)
    )
    rows = [before + ids + after for ids in tokenizer(pairs, padding=False)["input_ids"]]
    inputs = tokenizer.pad({"input_ids": rows}, padding=True, return_tensors="pt")
    with torch.no_grad():
        last = model(**inputs).logits[:, -1, :]
    no, yes = tokenizer.convert_tokens_to_ids("no"), tokenizer.convert_tokens_to_ids("yes")
    scores = torch.nn.functional.log_softmax(torch.stack([last[:, no], last[:, yes]], dim=1), dim=1)
    return scores[:, 1].exp().tolist()


def assert_nothing_is_cut(prompt: TemplatePrompt, texts: list[str]) -> None:
    head = len(prompt.head(QUESTION, MOST["flag"]))
    assert max(map(len, prompt.passages(texts))) + head + len(prompt.tail) <= MOST["flag"]


@pytest.mark.parametrize("backend", LOCAL)
def test_a_folder_that_holds_no_model_is_refused_at_once(backend: str, tmp_path: Path) -> None:
    for folder in (None, tmp_path / "없음", tmp_path):
        with pytest.raises(ConfigurationError, match=r"reranking\.folder"):
            open_reranker(settings_for(backend, folder))


@pytest.mark.parametrize("backend", LOCAL)
def test_a_broken_model_is_refused_when_it_is_loaded(backend: str, folders: dict[str, Path], tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((folders[backend] / name).read_bytes())
    found = open_reranker(settings_for(backend, tmp_path))
    assert found is not None
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            found.score("질문", ["글"])


def test_a_length_that_the_prompt_alone_fills_is_refused(folders: dict[str, Path]) -> None:
    found = open_reranker(settings_for("qwen3", folders["qwen3"], max_tokens=64))
    assert found is not None
    with pytest.raises(ConfigurationError, match="max_tokens"):
        found.score("질문", ["글"])


def test_a_model_with_more_labels_is_refused(tmp_path: Path) -> None:
    found = open_reranker(settings_for("cross_encoder", tiny_cross_encoder(tmp_path / "nli", labels=3)))
    assert found is not None
    with pytest.raises(ConfigurationError, match="3 labels"):
        found.score("질문", ["글"])


def test_none_means_no_reranker_and_every_other_value_has_a_factory() -> None:
    assert open_reranker(RerankingSettings()) is None
    values = set(RerankingSettings.model_json_schema()["properties"]["backend"]["enum"])
    assert values - {"none"} == set(RERANKERS)
