from __future__ import annotations

import os
from pathlib import Path

import pytest

import api
from api.settings import load_settings
from rag.domain.errors import ConfigurationError
from rag.domain.messages import localized

CONFIGS = Path(api.__path__[0]).parent / "configs"


@pytest.fixture(autouse=True)
def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("SEOGO_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "설정.yaml"


def problem(config: Path, content: str | bytes | None = None) -> str:
    """What is said about a configuration file with this content."""
    if content is not None:
        config.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(config)
    return str(refusal.value.params["detail"])


def test_the_embedded_configuration_is_the_defaults_written_out() -> None:
    assert load_settings(CONFIGS / "embedded.yaml") == load_settings()


def test_the_production_configuration_names_every_engine() -> None:
    settings = load_settings(CONFIGS / "production.yaml")
    assert settings.rag.store_url().startswith("postgresql+psycopg://")
    assert (settings.ingest.queue_database_url or "").startswith("postgresql+psycopg://")
    assert (settings.rag.index.backend, settings.rag.index.url) == ("qdrant", "http://qdrant:6333")
    assert settings.rag.blob_url() == "file:///srv/seogo/blobs"
    assert settings.api.public_url == "https://seogo.example.internal"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    load_settings(path)


def test_the_embedded_defaults_lie_in_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings(None, tmp_path / "자료")
    assert settings.rag.store_url() == f"sqlite:///{tmp_path / '자료' / 'seogo.sqlite'}"
    assert settings.rag.blob_url() == (tmp_path / "자료" / "blobs").as_uri()


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("rag:\n  index:\n    bakend: edge\n", "rag.index.bakend"),
        ("rag:\n  surprise: 1\n", "rag.surprise"),
        ("ingest:\n  max_upload: 5\n", "ingest.max_upload"),
        ("api:\n  prot: 80\n", "api.prot"),
        ("search:\n  limit: 1\n", "search"),
        ("api:\n  port: many\n", "api.port"),
        ("api:\n  port: 70000\n", "api.port"),
        ("rag:\n  index:\n    backend: faiss\n", "rag.index.backend"),
        ("rag: []\n", "rag"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_path(config: Path, content: str, key: str) -> None:
    assert key in problem(config, content)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "- rag\n",
        "rag: {",
        "!!python/object/apply:os.system ['true']",
        "rag: 규정".encode("cp949"),
        b"\xff\xfer\x00",
    ],
)
def test_what_is_no_configuration_is_refused_with_the_files_name(config: Path, content: str | bytes) -> None:
    assert config.name in problem(config, content)


def test_a_file_that_is_not_there_is_named(config: Path) -> None:
    assert config.name in problem(config)


def test_the_refusal_does_not_repeat_a_password(config: Path) -> None:
    found = problem(
        config, "rag:\n  store:\n    url: postgresql://seogo:hunter2@db/seogo\n    pool_size: 0\n    pasword: hunter2\n"
    )
    assert "rag.store.pool_size" in found
    assert "hunter2" not in found


def test_the_environment_overrides_the_file_key_by_key(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(
        "rag:\n  index: {backend: qdrant, url: 'http://file:6333', collection: from_file}\napi: {port: 9000}\n"
    )
    monkeypatch.setenv("SEOGO_RAG__INDEX__URL", "http://environment:6333")
    monkeypatch.setenv("SEOGO_INGEST__CONCURRENCY", "7")
    settings = load_settings(config)
    index = settings.rag.index
    assert (index.backend, index.url, index.collection) == ("qdrant", "http://environment:6333", "from_file")
    assert (settings.ingest.concurrency, settings.api.port) == (7, 9000)


def test_the_command_line_overrides_both(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config.write_text("rag:\n  data_dir: /from/file\n")
    monkeypatch.setenv("SEOGO_RAG__DATA_DIR", "/from/environment")
    assert load_settings(config).rag.data_dir == Path("/from/environment")
    assert load_settings(config, tmp_path).rag.data_dir == tmp_path


@pytest.mark.parametrize(
    ("name", "value"),
    [("SEOGO_RAG__INDX__BACKEND", "edge"), ("SEOGO_RAG__INDEX__BACKEND", "faiss"), ("SEOGO_API__PORT", "x")],
)
def test_a_wrong_variable_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refusal:
        load_settings()
    assert name.removeprefix("SEOGO_").lower().split("__")[0] in str(refusal.value)


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    for section, name in (
        (settings, "rag"),
        (settings.rag, "data_dir"),
        (settings.rag.index, "url"),
        (settings.api, "port"),
    ):
        with pytest.raises(ValueError, match="frozen"):
            setattr(section, name, None)


@pytest.mark.parametrize("name", ["SEOGO_RGA__INDEX__BACKEND", "SEOGO_RAG_INDEX__BACKEND", "SEOGO___INDEX"])
def test_a_variable_of_no_section_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "qdrant")
    with pytest.raises(ConfigurationError, match=name):
        load_settings()


def test_a_misspelt_setting_is_told_in_korean_too(config: Path) -> None:
    config.write_text("rag: {indx: {backend: edge}}\n")
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(config)
    assert "rag.indx: 이런 항목은 없습니다" in localized(refusal.value, "ko")
    assert "rag.indx: there is no such field" in localized(refusal.value, "en")


def test_a_variable_of_an_unknown_section_is_named_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_RGA__INDEX__BACKEND", "qdrant")
    with pytest.raises(ConfigurationError) as refusal:
        load_settings()
    english, korean = localized(refusal.value, "en"), localized(refusal.value, "ko")
    assert "SEOGO_RGA__INDEX__BACKEND: unknown section rga; there are rag, ingest, api" in english
    assert "SEOGO_RGA__INDEX__BACKEND: rga(이)라는 구역은 없습니다" in korean and "unknown" not in korean


@pytest.mark.parametrize(("written", "meant"), [("on", "on"), ("off", "off"), ('"off"', "off"), ("auto", "auto")])
def test_thinking_is_switched_by_the_words_that_yaml_takes_for_booleans(
    tmp_path: Path, written: str, meant: str
) -> None:
    config = tmp_path / "seogo.yaml"
    config.write_text(
        f"rag:\n  generation:\n    thinking: {written}\n    job_thinking: {{batch: {written}}}\n", encoding="utf-8"
    )
    generation = load_settings(config, tmp_path).rag.generation
    assert (generation.thinking, generation.job_thinking) == (meant, {"batch": meant})


def test_thinking_is_no_number(tmp_path: Path) -> None:
    config = tmp_path / "seogo.yaml"
    config.write_text("rag:\n  generation:\n    thinking: 1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="thinking"):
        load_settings(config, tmp_path)
