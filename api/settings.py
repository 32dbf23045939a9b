"""The whole configuration: one YAML file, overridden by environment variables, overridden by the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from api.hardening.settings import BrowserSettings, ConnectionSettings, RateSettings, RequestSettings
from ingest.settings import IngestSettings
from rag.domain.errors import ConfigurationError
from rag.domain.refused_values import refused_values
from rag.settings import RagSettings

_SECTIONS = frozenset({"rag", "ingest", "api"})


class ApiSettings(BaseModel):
    """Everything below `api:` in the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    public_url: str | None = Field(
        None, description="address under which users reach the service; used in citation links"
    )
    threads: int = Field(100, ge=8, le=1000, description="blocking calls (store, index, models) at once; more wait")
    egress_guard: bool = Field(
        True, description="refuse connections and lookups to hosts that no setting names (rag/transport/egress.py)"
    )
    egress_allow: tuple[str, ...] = Field(
        (), description="further hosts, addresses or networks, such as 10.1.0.0/16, that this process may reach"
    )
    limited_keys_use_models: bool = Field(
        False, description="whether keys limited to some collections may use generators, embedder and reranker directly"
    )
    connections: ConnectionSettings = ConnectionSettings()
    requests: RequestSettings = RequestSettings()
    browsers: BrowserSettings = BrowserSettings()
    rates: RateSettings = RateSettings()


class Settings(BaseSettings):
    """Configuration of a Seogo process. Environment: `SEOGO_RAG__INDEX__BACKEND=qdrant` and the like."""

    model_config = SettingsConfigDict(env_prefix="SEOGO_", env_nested_delimiter="__", extra="ignore", frozen=True)

    rag: RagSettings = RagSettings()
    ingest: IngestSettings = IngestSettings()
    api: ApiSettings = ApiSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before the file, whose content arrives as init arguments."""
        return env_settings, init_settings


def load_settings(config: Path | None = None, data_dir: Path | None = None) -> Settings:
    """Read `config` (YAML) and the environment.

    Raises:
        ConfigurationError: the file is missing, is not YAML, a value is not valid, or a variable names no section.
    """
    values = _read_yaml(config) if config else {}
    _refuse_misspelt(os.environ)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(**refused_values(error.errors())) from error
    if data_dir is None:
        return settings
    return settings.model_copy(update={"rag": settings.rag.model_copy(update={"data_dir": data_dir})})


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Refuse `SEOGO_RGA__INDEX__BACKEND`: what has two underlines is the path of a setting, and begins with a section."""
    for name in environment:
        section, mark, _ = name.upper().removeprefix("SEOGO_").partition("__")
        if name.upper().startswith("SEOGO_") and mark and section.lower() not in _SECTIONS:
            raise ConfigurationError(
                detail=f"{name}: unknown section {section.lower()}; there are rag, ingest, api",
                detail_ko=f"{name}: {section.lower()}(이)라는 구역은 없습니다. rag, ingest, api가 있습니다",
            )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(detail=f"{path}: {error}", detail_ko=f"{path}: {_unread_ko(error)}") from error
    if not isinstance(loaded, dict):
        raise ConfigurationError(
            detail=f"{path}: expected the sections rag, ingest, api; found {type(loaded).__name__}",
            detail_ko=f"{path}: rag, ingest, api 구역이 있어야 하는데 {type(loaded).__name__}이(가) 있습니다",
        )
    if unknown := set(loaded) - _SECTIONS:
        names = ", ".join(sorted(map(str, unknown)))
        raise ConfigurationError(
            detail=f"{path}: unknown sections: {names}",
            detail_ko=f"{path}: 없는 구역입니다: {names}. rag, ingest, api가 있습니다",
        )
    return loaded


def _unread_ko(error: OSError | UnicodeDecodeError | yaml.YAMLError) -> str:
    """Why a file of settings can't be read, in Korean: what to do where we know it, and the place in the file."""
    if isinstance(error, FileNotFoundError):
        return "설정 파일이 없습니다"
    if isinstance(error, IsADirectoryError):
        return "파일이 아니라 폴더입니다"
    if isinstance(error, OSError):
        return f"설정 파일을 읽을 수 없습니다({error.strerror})"
    if isinstance(error, UnicodeDecodeError):
        return "UTF-8이 아닙니다. 파일을 UTF-8로 저장하세요"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.line + 1}번째 줄 {mark.column + 1}번째 글자의 YAML 문법이 맞지 않습니다({error.problem})"
    return f"YAML 문법이 맞지 않습니다({error})"
