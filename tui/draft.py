"""마법사가 모으는 것: 무엇을(심볼·격자), 어디에(저장소), 얼마나(병렬) 실행할지."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

StorageKind = Literal["auto", "env", "url", "embedded", "sqlite"]
STORAGE_KINDS: tuple[StorageKind, ...] = ("auto", "env", "url", "embedded", "sqlite")
DEFAULT_ENV = "OPTUNA_STORAGE"
# 검증의 방법마다 쓰는 수들(`validation:`의 이름).
VALIDATION_FIELDS: dict[str, tuple[str, ...]] = {
    "hold_out": ("test_fraction", "embargo_days"),
    "walk_forward": ("windows", "window", "test_fraction", "embargo_days"),
    "purged_kfold": ("folds", "embargo_days"),
    "cpcv": ("groups", "test_groups", "embargo_days"),
    "none": (),
}


@dataclass(frozen=True, slots=True)
class StorageChoice:
    """고른 저장소.

    auto: 인자를 주지 않고 정해진 규칙(환경 변수 → 설정 → 지난 기록 → 기본)을 따른다.
    env: `env_name`의 변수. url: 입력한 URL(환경으로만 건넨다). embedded·sqlite: 그대로.
    """

    kind: StorageKind = "auto"
    env_name: str = DEFAULT_ENV
    url: str = field(default="", repr=False)


@dataclass(slots=True)
class Draft:
    """아직 시작하지 않은 실행. 화면들이 함께 고친다.

    n_jobs: -1은 모든 코어. dataset_jobs: 0은 모든 칸. seed: None이면 매번 다르다.
    study_name: 빈 글이면 심볼과 칸에서 정해진다. 여러 칸이면 칸마다 칸의 이름이 붙는다.
    start·end: UTC 날짜 `YYYY-MM-DD`, 빈 글이면 정해진 규칙. data_note: 캔들의 출처를 말하는 한 줄.
    offline: 거래소에 묻지 않기로 정해 두었는가. picked: 사용자가 고른 심볼(합성 데모로 바뀌기 전의 것).
    executor: local | dask, scheduler: dask면 그 주소. configured_executor: 설정 파일의 executor.
    cluster_workers: 확인한 dask 작업자의 수, 모르면 0.
    validation: 검증의 방법과 수(`validation:`의 칸들). configured_validation: 설정 파일의 것.
    spaces: 전략마다 좁힌 탐색 공간(파라미터 이름 → 고정한 값이나 {low, high}·{choices}).
    """

    symbol: str
    grid: str
    start: str = ""
    end: str = ""
    data_file: str = ""
    offline: bool = False
    data_note: str = ""
    picked: str = ""
    strategy: str = "squeeze_momentum"
    n_trials: int = 500
    n_jobs: int = -1
    dataset_jobs: int = 0
    sampler: str = "tpe"
    seed: int | None = None
    study_name: str = ""
    executor: str = "local"
    scheduler: str = ""
    configured_executor: str = "local"
    cluster_workers: int = 0
    validation: dict[str, Any] = field(default_factory=dict)
    configured_validation: dict[str, Any] = field(default_factory=dict)
    storage: StorageChoice = field(default_factory=StorageChoice)
    spaces: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def space(self) -> dict[str, Any]:
        """지금 전략의 좁힌 탐색 공간. 고치면 초안이 바뀐다."""
        return self.spaces.setdefault(self.strategy, {})

    @property
    def is_demo(self) -> bool:
        """합성 데모인가. 파일을 주면 그 파일이 이긴다."""
        return self.symbol.startswith("DEMO:") and not self.data_file
