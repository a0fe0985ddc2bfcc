"""설정의 저장소의 몫: 모형(pydantic)으로 읽은 것과 같고, 기본값이면 모형 없이 읽는다."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from optimize import paths
from optimize.errors import SettingsError
from optimize.settings.load import load_params
from optimize.settings.model import Params, SearchSection
from optimize.settings.storage_part import (
    DEFAULTS,
    OTHER_KEYS,
    OTHER_SEARCH_KEYS,
    SECTIONS,
    StorageSettings,
    load_storage_settings,
    storage_options,
)


def write(folder: Path, body: Any) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")
    return path


def test_keys_and_defaults_are_those_of_the_model() -> None:
    """모형에 키를 더하거나 기본값을 바꾸면 여기도 바꾸어야 한다."""
    fields = SearchSection.model_fields
    assert {key: fields[key].default for key in fields if key.startswith("storage_")} == DEFAULTS
    assert {key for key in fields if not key.startswith("storage_")} == OTHER_SEARCH_KEYS
    assert set(Params.model_fields) == OTHER_KEYS | {"search"}
    assert {
        key
        for key, field in Params.model_fields.items()
        if not isinstance(field.default, str | tuple)
    } == SECTIONS


@pytest.mark.parametrize(
    "search",
    [
        {},
        None,
        {"n_trials": 7, "storage_pool_size": 8},
        {"storage_pool_size": 3, "storage_statement_timeout_ms": None},
        {"storage_url_env": "", "storage_url": " sqlite:///x.db "},
        {"storage_url_env": "MY_DB", "storage_isolation_level": "serializable"},
        {"storage_pool_timeout": "12.5", "storage_lock_timeout_ms": 0},
        {"storage_fallback": "embedded"},
    ],
)
def test_equal_to_the_model(tmp_path: Path, search: dict[str, Any] | None) -> None:
    path = write(tmp_path, {"symbol": "BINANCE:ETHUSDT", "search": search})
    right = load_params(path).search
    assert load_storage_settings(path) == StorageSettings(
        right.storage_url_env, right.storage_url, storage_options(right)
    )


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"search": {"storage_pool_size": 0}}, "storage_pool_size"),
        ({"search": {"storage_pool_size": True}}, "storage_pool_size"),
        ({"search": {"storage_fallback": "mysql"}}, "storage_fallback"),
        ({"search": {"storage_ur": "sqlite:///x.db"}}, "storage_url"),
        ({"serach": {"storage_url": "sqlite:///x.db"}}, "search"),
        ({"search": "postgresql://"}, "search"),
    ],
)
def test_a_wrong_storage_part_is_refused(tmp_path: Path, body: Any, named: str) -> None:
    """잘못 쓴 저장소의 키를 조용히 지나치고 다른 저장소를 보지 않는다."""
    with pytest.raises(SettingsError) as caught:
        load_storage_settings(write(tmp_path, body))
    assert named in caught.value.cause


def test_another_part_may_be_wrong(tmp_path: Path) -> None:
    """백테스트의 설정이 틀려도 지난 스터디는 볼 수 있다."""
    path = write(tmp_path, {"backtest": {"fee_pct": "많이"}, "search": {"sampler": "없음"}})
    with pytest.raises(SettingsError):
        load_params(path)
    assert load_storage_settings(path).url_env == "OPTUNA_STORAGE"


def test_shipped_settings_are_read_without_the_model(tmp_path: Path) -> None:
    """담겨 있는 설정 파일로는 목록이 pydantic을 읽지 않는다(0.08초)."""
    code = (
        "import sys; from pathlib import Path;"
        "from optimize.settings.storage_part import load_storage_settings as load;"
        "print(load(Path(sys.argv[1])).url_env, 'pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(paths.default_config())],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(paths.home())},
    )
    assert done.stdout.split() == ["OPTUNA_STORAGE", "False"]
