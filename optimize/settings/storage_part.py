"""설정 파일에서 저장소의 몫만 읽는다: 스터디를 보거나 옮기는 명령들의 것.

다른 몫의 값이 틀려도 스터디는 볼 수 있다. 저장소의 키가 모두 기본값이면 검증할 것이 없으므로
모형(pydantic)을 import하지 않는다: 목록이 0.08초 먼저 뜬다.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize.settings.yaml_file import read_config
from optimize.storage.options import StorageOptions

if TYPE_CHECKING:
    from optimize.settings.model import SearchSection

DEFAULT_URL_ENV = "OPTUNA_STORAGE"
SECTIONS = frozenset({"data", "strategy", "backtest", "objective", "validation", "search"})
# 저장소의 것이 아닌 키들. 여기에 없는 키는 잘못 쓴 저장소의 키일 수 있으므로 검증에 넘긴다.
OTHER_KEYS = SECTIONS - {"search"} | {"symbol", "symbols", "timeframe_grid"}
OTHER_SEARCH_KEYS = frozenset(
    {
        "n_trials",
        "timeout",
        "trial_timeout",
        "n_jobs",
        "dataset_jobs",
        "executor",
        "dask_scheduler",
        "sampler",
        "seed",
        "pruner",
        "study_name",
    }
)
# 사용자가 정할 수 없는 연결 설정값.
_FIXED = frozenset({"application_name", "sqlite_timeout"})
DEFAULTS: Mapping[str, Any] = {
    "storage_url_env": DEFAULT_URL_ENV,
    "storage_url": None,
    "storage_fallback": "none",
    **{
        f"storage_{field.name}": field.default
        for field in fields(StorageOptions)
        if field.name not in _FIXED
    },
}


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """저장소의 설정. url_env: URL이 담긴 환경 변수의 이름. url: 설정 파일에 적힌 URL(비밀번호가 들 수 있다)."""

    url_env: str | None
    url: str | None
    options: StorageOptions


def load_storage_settings(config: Path | None) -> StorageSettings:
    """설정 파일의 저장소의 몫. config: None이면 기본 파일. SettingsError: 파일이나 그 몫이 틀렸다."""
    path, tree = read_config(config)
    part = _storage_part(tree)
    if all(key == "search" and _is_default(section) for key, section in part.items()):
        return StorageSettings(DEFAULT_URL_ENV, None, StorageOptions())
    from optimize.settings.load import validate

    search = validate(part, str(path)).search
    return StorageSettings(search.storage_url_env, search.storage_url, storage_options(search))


def storage_options(search: SearchSection) -> StorageOptions:
    """검증된 `search.storage_*`를 연결 설정값으로."""
    return StorageOptions(
        pool_size=search.storage_pool_size,
        max_overflow=search.storage_max_overflow,
        pool_timeout=search.storage_pool_timeout,
        pool_recycle=search.storage_pool_recycle,
        connect_timeout=search.storage_connect_timeout,
        statement_timeout_ms=search.storage_statement_timeout_ms,
        isolation_level=search.storage_isolation_level,
        lock_timeout_ms=search.storage_lock_timeout_ms,
    )


def _storage_part(tree: Mapping[str, Any]) -> dict[str, Any]:
    """다른 몫의 키를 뺀 사전."""
    part = {key: value for key, value in tree.items() if key not in OTHER_KEYS}
    search = part.get("search")
    if isinstance(search, dict):
        part["search"] = {
            key: value for key, value in search.items() if key not in OTHER_SEARCH_KEYS
        }
    return part


def _is_default(section: object) -> bool:
    if not isinstance(section, dict):
        return section is None
    return all(
        key in DEFAULTS and value == DEFAULTS[key] and not isinstance(value, bool)
        for key, value in section.items()
    )
