"""`config/params.yaml`의 모양: 키, 형, 범위, 기본값. 모르는 키는 거절한다.

모든 모형은 frozen이다. 값의 뜻과 단위는 `config/params.yaml`의 주석이 사용자에게 설명하며
칸의 `description`은 도움말과 문서가 읽는다. 시간은 초(`_ms`는 밀리초), 비율은 1이 100 %다.
"""

from __future__ import annotations

import difflib
import math
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from optimize import paths
from optimize.backtest.margin import AUTO, read_tiers
from optimize.backtest.metrics import METRICS
from optimize.data.symbols import SymbolError, parse_symbol
from optimize.data.timeframes import TimeframeError, format_grid, parse_grid
from optimize.errors import SettingsError
from optimize.settings.fields import (
    Blank,
    Float,
    Int,
    OptionalDate,
    OptionalText,
    Section,
    blank_as_zero,
    upper_words,
)
from optimize.settings.symbols import MARKET_KEYS, SymbolEntry, as_entries, ordered

SAMPLERS = ("tpe", "random", "nsga2", "cmaes", "tpe_optuna")
PRUNERS = ("none", "median", "percentile")
VALIDATIONS = ("hold_out", "walk_forward", "purged_kfold", "cpcv", "none")
_MAX_SPLITS = 100
# 이름은 파일과 폴더의 이름이 된다(255바이트). 칸(`_1m_15m`)과 `.db.lock` 따위가 붙을 자리를 남긴다.
_MAX_NAME_BYTES = 200


class DataSection(Section):
    """캔들의 출처와 기간."""

    file: OptionalText = None
    funding_file: OptionalText = None
    start: OptionalDate = None
    end: OptionalDate = None
    offline: bool = False
    floor_off_grid: bool = False
    demo_seed: Annotated[Int, Field(ge=0, le=2**32 - 1)] = 7
    demo_days: Annotated[Int, Field(ge=1, le=3650)] = 180

    def funding_path(self) -> Path | None:
        """펀딩 기록 파일의 경로(상대 경로는 뿌리 폴더에서), 없으면 None."""
        file = self.funding_file
        return None if file is None else paths.home() / paths.expanded(file)

    @field_validator("start", "end")
    @classmethod
    def _is_date(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError("날짜는 2024-01-31처럼 YYYY-MM-DD(UTC)로 씁니다") from None
        return value

    @model_validator(mode="after")
    def _start_before_end(self) -> DataSection:
        if not (self.start and self.end):
            return self
        if date.fromisoformat(self.start) >= date.fromisoformat(self.end):
            raise ValueError(f"시작({self.start})이 끝({self.end})보다 앞서야 합니다")
        return self


class StrategySection(Section):
    """전략과 탐색 공간의 덮어쓰기."""

    name: Annotated[str, Field(min_length=1)] = "squeeze_momentum"
    space: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _absolute_file(cls, value: str) -> str:
        """`파일.py:클래스`의 상대 경로는 캔들 파일처럼 뿌리 폴더에서: 어느 폴더에서 부르든 같은 전략이다."""
        path, colon, name = value.rpartition(":")
        if not colon or not path.endswith(".py"):
            return value
        return f"{paths.home() / paths.expanded(path)}:{name}"


class BacktestSection(Section):
    """체결과 비용."""

    initial_cash: Annotated[Float, Field(gt=0)] = 10_000.0
    fee_rate: Annotated[Float, Field(ge=0, lt=0.1)] = 0.0005
    slippage_rate: Annotated[Float, Field(ge=0, lt=0.1)] = 0.0001
    slippage_ticks: Annotated[Float, Field(ge=0, le=1000)] = 0.0
    leverage: Annotated[Float, Field(ge=1, le=125)] = 1.0
    position_fraction: Annotated[Float, Field(gt=0, le=1)] = 1.0
    direction: Literal["both", "long", "short"] = "both"
    funding: bool = True
    maintenance_margin_rate: Annotated[Float, Field(ge=0, lt=0.5)] = 0.004
    maker_fee_rate: Annotated[Annotated[Float, Field(ge=-0.01, lt=0.1)] | None, Blank] = None
    tick_size: Annotated[Annotated[Float, Field(gt=0)] | None, Blank] = None
    step_size: Annotated[Annotated[Float, Field(gt=0)] | None, Blank] = None
    min_notional: Annotated[Annotated[Float, Field(gt=0)] | None, Blank] = None
    margin_tiers: str | tuple[dict[str, float | None], ...] = AUTO

    @field_validator("margin_tiers", mode="before")
    @classmethod
    def _readable_tiers(cls, value: Any) -> Any:
        if value is None or (isinstance(value, str) and not value.strip()):
            return AUTO
        try:
            read_tiers(value)
        except SettingsError as error:
            raise ValueError(error.cause) from None
        return value


def _known_metric(value: str) -> str:
    if value not in METRICS:
        close = difflib.get_close_matches(value, METRICS, n=1, cutoff=0.6)
        hint = f" — 혹시 '{close[0]}'인가요?" if close else f". 있는 것: {', '.join(METRICS)}"
        raise ValueError(f"모르는 지표입니다{hint}")
    return value


MetricName = Annotated[str, AfterValidator(_known_metric)]


class Goal(Section):
    """목표 하나: 지표와 무게. 지표의 좋은 방향은 지표가 정한다."""

    metric: MetricName
    weight: Annotated[Float, Field(gt=0)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        """`goals: [sharpe, max_drawdown_pct]`처럼 이름만 적어도 된다."""
        return {"metric": value} if isinstance(value, str) else value


class MetricLimit(Section):
    """지표 하나의 허용 범위."""

    metric: MetricName
    min: Annotated[Float | None, Blank] = None
    max: Annotated[Float | None, Blank] = None

    @model_validator(mode="after")
    def _some_range(self) -> MetricLimit:
        if self.min is None and self.max is None:
            raise ValueError("min이나 max 가운데 하나는 있어야 합니다")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min({self.min:g})이 max({self.max:g})보다 클 수 없습니다")
        return self


class ConstraintsSection(Section):
    """시행이 쓸 만하다고 볼 조건. 어기면 최선으로 뽑히지 않는다."""

    min_trades: Annotated[Int, Field(ge=0)] = 30
    max_drawdown_pct: Annotated[Annotated[Float, Field(gt=0, le=100)] | None, Blank] = 50.0
    limits: tuple[MetricLimit, ...] = ()


class ObjectiveSection(Section):
    """점수."""

    mode: Literal["weighted", "pareto"] = "weighted"
    across_symbols: Literal["mean", "median", "worst"] = "mean"
    goals: Annotated[tuple[Goal, ...], Field(min_length=1)] = (Goal(metric="sharpe"),)
    constraints: ConstraintsSection = ConstraintsSection()
    non_finite_score: float = -100.0

    @model_validator(mode="after")
    def _goals_for_pareto(self) -> ObjectiveSection:
        metrics = [goal.metric for goal in self.goals]
        twice = {name for name in metrics if metrics.count(name) > 1}
        if self.mode == "pareto" and (len(metrics) < 2 or twice):
            raise ValueError("mode: pareto는 서로 다른 목표가 둘 이상이어야 합니다")
        return self


class ValidationSection(Section):
    """학습과 검증의 나눔. 뜻은 `optimize.validation.splits.Rules`와 같다."""

    method: Literal["hold_out", "walk_forward", "purged_kfold", "cpcv", "none"] = "hold_out"
    test_fraction: Annotated[Float, Field(ge=0.05, le=0.9)] = 0.3
    windows: Annotated[Int, Field(ge=1, le=_MAX_SPLITS)] = 5
    window: Literal["rolling", "anchored"] = "rolling"
    folds: Annotated[Int, Field(ge=2, le=_MAX_SPLITS)] = 5
    groups: Annotated[Int, Field(ge=3, le=_MAX_SPLITS)] = 6
    test_groups: Annotated[Int, Field(ge=1, le=_MAX_SPLITS)] = 2
    embargo_days: Annotated[Int, Field(ge=0, le=3650)] = 1

    @field_validator("method", mode="before")
    @classmethod
    def _no_means_none(cls, value: Any) -> Any:
        """`method: no`와 빈칸은 검증 없음이고, `walk-forward`와 `hold-out`처럼 이어 써도 된다."""
        if value is None or value is False:
            return "none"
        return value.replace("-", "_") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _some_training(self) -> ValidationSection:
        if self.test_groups >= self.groups:
            raise ValueError(
                f"test_groups({self.test_groups})는 groups({self.groups})보다 작아야 합니다"
            )
        splits = math.comb(self.groups, self.test_groups)
        if self.method == "cpcv" and splits > _MAX_SPLITS:
            raise ValueError(
                f"groups {self.groups}개에서 {self.test_groups}개를 고르면 split이 {splits:,}개입니다"
                f"({_MAX_SPLITS}개까지)"
            )
        return self


def study_name_problem(name: str) -> str:
    """스터디의 이름으로 쓸 수 없는 까닭, 쓸 수 있으면 빈 글. 이름은 파일과 폴더의 이름이 된다."""
    if (
        not name
        or name != name.strip()
        or len(name.encode("utf-8", "surrogatepass")) > _MAX_NAME_BYTES
        or name.startswith(".")
        or any(c in "/\\\0" or not c.isprintable() for c in name)
    ):
        return (
            f"스터디 이름은 UTF-8로 {_MAX_NAME_BYTES}바이트(한글 {_MAX_NAME_BYTES // 3}자) 이하이며 "
            "'.'이나 빈칸으로 시작하거나 '/', '\\', 제어 문자를 담을 수 없습니다"
        )
    return ""


class SearchSection(Section):
    """탐색, 병렬, 저장소."""

    n_trials: Annotated[Int, Field(ge=1, le=10_000_000)] = 500
    timeout: Annotated[Annotated[Float, Field(gt=0)] | None, Blank] = None
    trial_timeout: Annotated[Annotated[Float, Field(gt=0)] | None, Blank] = 600.0
    n_jobs: Annotated[Int, Field(ge=-1, le=4096)] = -1
    dataset_jobs: Annotated[Int, Field(ge=0, le=4096)] = 0
    executor: Literal["local", "dask"] = "local"
    dask_scheduler: OptionalText = None
    sampler: Literal["tpe", "random", "nsga2", "cmaes", "tpe_optuna"] = "tpe"
    seed: Annotated[Annotated[Int, Field(ge=0, le=2**32 - 1)] | None, Blank] = None
    pruner: Literal["none", "median", "percentile"] = "none"
    study_name: OptionalText = None
    storage_url_env: OptionalText = "OPTUNA_STORAGE"
    storage_url: OptionalText = None
    storage_fallback: Literal["none", "embedded", "sqlite"] = "none"
    storage_pool_size: Annotated[Int, Field(ge=1, le=1000)] = 8
    storage_max_overflow: Annotated[Int, Field(ge=0, le=1000)] = 16
    storage_pool_timeout: Annotated[Float, Field(gt=0, le=3600)] = 30.0
    storage_pool_recycle: Annotated[Int, Field(ge=-1)] = 1800
    storage_connect_timeout: Annotated[Int, Field(ge=1, le=600)] = 10
    storage_statement_timeout_ms: Annotated[
        Int, Field(ge=0, le=2_147_483_647), BeforeValidator(blank_as_zero)
    ] = 300_000
    storage_lock_timeout_ms: Annotated[
        Int, Field(ge=0, le=2_147_483_647), BeforeValidator(blank_as_zero)
    ] = 10_000
    storage_isolation_level: Annotated[
        Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"], BeforeValidator(upper_words)
    ] = "READ COMMITTED"

    @field_validator("n_jobs")
    @classmethod
    def _some_jobs(cls, value: int) -> int:
        if value == 0:
            raise ValueError("작업 수는 1 이상이거나, 모든 코어를 뜻하는 -1입니다")
        return value

    @field_validator("study_name")
    @classmethod
    def _safe_name(cls, value: str | None) -> str | None:
        if value is not None and (problem := study_name_problem(value)):
            raise ValueError(problem)
        return value


class Params(Section):
    """`params.yaml` 전체."""

    symbol: str = "BINANCE:BTCUSDT"
    symbols: Annotated[tuple[SymbolEntry, ...], BeforeValidator(as_entries)] = ()
    timeframe_grid: str = "1m@15m,1m@1h"
    data: DataSection = DataSection()
    strategy: StrategySection = StrategySection()
    backtest: BacktestSection = BacktestSection()
    objective: ObjectiveSection = ObjectiveSection()
    validation: ValidationSection = ValidationSection()
    search: SearchSection = SearchSection()

    @model_validator(mode="after")
    def _search_for_pareto(self) -> Params:
        if self.objective.mode == "pareto":
            if self.search.pruner != "none":
                raise ValueError(
                    f"search.pruner = '{self.search.pruner}': objective.mode가 pareto면 앞 구간의 점수를"
                    " 하나로 견줄 수 없습니다. none으로 두세요"
                )
            if self.search.sampler == "cmaes":
                raise ValueError(
                    "search.sampler = 'cmaes': 목표가 하나여야 합니다."
                    " objective.mode가 pareto면 tpe, nsga2, random, tpe_optuna 가운데 고르세요"
                )
        return self

    @property
    def chosen(self) -> tuple[SymbolEntry, ...]:
        """이 실행의 심볼들: `symbols`, 비었으면 `symbol` 하나."""
        data = self.data
        if len(self.symbols) > 1:
            return self.symbols
        entry = self.symbols[0] if self.symbols else SymbolEntry(symbol=self.symbol)
        files = {
            "file": entry.file or data.file,
            "funding_file": entry.funding_file or data.funding_file,
        }
        return (entry.model_copy(update=files),)

    @field_validator("symbols")
    @classmethod
    def _in_order(cls, value: tuple[SymbolEntry, ...]) -> tuple[SymbolEntry, ...]:
        return ordered(value)

    @model_validator(mode="after")
    def _several_symbols(self) -> Params:
        if len(self.symbols) < 2:
            return self
        for key, value in (("file", self.data.file), ("funding_file", self.data.funding_file)):
            if value is not None:
                raise ValueError(
                    f"data.{key}: 심볼이 여럿이면 파일도 심볼마다 적습니다."
                    f" symbols의 항목에 {key}을 적거나 --data 심볼=파일을 쓰세요"
                )
        for key in MARKET_KEYS:
            if getattr(self.backtest, key) is not None:
                raise ValueError(
                    f"backtest.{key}: 심볼마다 다른 값입니다. symbols의 항목에 적으세요"
                )
        if self.search.pruner != "none":
            raise ValueError(
                f"search.pruner = '{self.search.pruner}': 심볼이 여럿이면 앞 구간의 점수를 심볼을 모으기"
                " 전에 알 수 없습니다. none으로 두세요"
            )
        return self

    @field_validator("symbol")
    @classmethod
    def _is_symbol(cls, value: str) -> str:
        try:
            return str(parse_symbol(value))
        except SymbolError as error:
            raise ValueError(str(error)) from None

    @field_validator("timeframe_grid", mode="before")
    @classmethod
    def _is_grid(cls, value: Any) -> Any:
        if isinstance(value, list):
            value = ",".join(str(item) for item in value)
        elif isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            return value
        try:
            return format_grid(parse_grid(value))
        except TimeframeError as error:
            raise ValueError(str(error)) from None
