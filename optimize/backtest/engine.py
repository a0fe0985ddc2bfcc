"""백테스트의 입구: 자료와 신호를 kernel의 모양으로 옮기고 결과를 만든다.

기호: n = LTF 봉 수, d = 날 수. 체결 규칙은 docs/strategy.md의 '체결'.
numba는 처음 부를 때 들어온다.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.costs import CostModel
from optimize.backtest.metrics import METRICS
from optimize.backtest.result import TRADE_DTYPE, BacktestResult
from optimize.data.dataset import Dataset
from optimize.data.timeframes import parse_cell
from optimize.errors import DataError, RunError
from optimize.strategy.protocol import (
    BatchStrategy,
    Signals,
    Strategy,
    Workspace,
    WorkspaceStrategy,
)
from optimize.trial import Params

if TYPE_CHECKING:
    from optimize.backtest.engine_types_nb import (
        Account,
        Bars,
        FundingRows,
        Orders,
        Outcome,
        SubBars,
    )

ENGINE_VERSION = "2"
DAY_MS = 86_400_000
LANES = 8
"""run_batch가 한 번에 신호를 만드는 조합의 수. 신호의 배열이 조합마다 봉당 11바이트다."""
_NEVER = 2**62
_NO_CURVE = np.empty(0, dtype=np.float64)


def run_backtest(
    dataset: Dataset,
    strategy: Strategy,
    params: Params,
    costs: CostModel,
    workspace: Workspace | None = None,
) -> BacktestResult:
    """한 파라미터 조합의 백테스트.

    params: 꺼진 것의 기본값까지 모두. workspace를 주면 배열을 다시 써 더 빠르다.
    전략이 던진 예외나 모양이 틀린 신호는 RunError, 봉이 두 개보다 적으면 DataError.
    """
    space = Workspace() if workspace is None else workspace
    signals = make_signals(dataset, strategy, params, space)
    return simulate(dataset, signals, costs, space)


def run_batch(
    dataset: Dataset,
    strategy: Strategy,
    batch: Sequence[Params],
    costs: CostModel,
    workspace: Workspace | None = None,
) -> list[BacktestResult]:
    """여러 조합의 백테스트. 값은 run_backtest와 비트까지 같다.

    함께 셈할 수 있는 전략(BatchStrategy)은 LANES개까지 자료를 한 번 훑으며 신호를 만든다.
    """
    space = Workspace() if workspace is None else workspace
    results = []
    parts = -(-len(batch) // LANES)
    for part in range(parts):  # 고르게 나눈다: 혼자 남은 조합은 함께 도는 것보다 느리다
        lanes = batch[len(batch) * part // parts : len(batch) * (part + 1) // parts]
        if isinstance(strategy, BatchStrategy):
            made = _signals_together(dataset, strategy, lanes, space)
            results += [simulate(dataset, signals, costs, space) for signals in made]
        else:
            results += [run_backtest(dataset, strategy, params, costs, space) for params in lanes]
    return results


def _signals_together(
    dataset: Dataset, strategy: BatchStrategy, batch: Sequence[Params], workspace: Workspace
) -> list[Signals]:
    """묶음의 신호. 예외가 나면 하나씩 만들어 어느 조합인지 밝힌다."""
    try:
        return strategy.signals_batch(dataset, batch, workspace)
    except Exception:
        for params in batch:
            make_signals(dataset, strategy, params, workspace)
        raise


def make_signals(
    dataset: Dataset, strategy: Strategy, params: Params, workspace: Workspace
) -> Signals:
    """전략의 신호. 내장이 아닌 전략의 예외(SystemExit도)와 Signals가 아닌 것은 RunError로 바꾼다."""
    try:
        if isinstance(strategy, WorkspaceStrategy):
            found = strategy.signals_into(dataset, params, workspace)
        else:
            found = strategy.signals(dataset, params)
        if not isinstance(found, Signals):
            raise TypeError(f"Signals가 아니라 {type(found).__name__}을(를) 돌려주었습니다")
    except (Exception, SystemExit) as error:
        from optimize.strategy.registry import error_place

        raise RunError(
            f"전략 '{strategy.name}'이(가) 신호를 만들지 못했습니다",
            f"{error_place(error, strategy)}{type(error).__name__}: {error}",
            "전략의 signals()를 고치십시오. 파라미터: "
            + ", ".join(f"{name}={value}" for name, value in params.items()),
        ) from error
    return found


def simulate(
    dataset: Dataset, signals: Signals, costs: CostModel, workspace: Workspace
) -> BacktestResult:
    """신호의 체결과 지표."""
    from optimize.backtest.engine_types_nb import CLOSING, DRAWDOWN, HIGHEST, LOWEST
    from optimize.backtest.ledger_nb import held_days_nb
    from optimize.backtest.metrics_nb import metrics_nb

    n = len(dataset.ltf)
    trades = workspace.array("trades", n, TRADE_DTYPE)
    first_day, day_last = workspace.kept("day_ends", dataset, lambda: day_ends(dataset))
    outcome, daily = _simulate(dataset, signals, costs, trades, _NO_CURVE, day_last, workspace)
    # 바이트로 복사한다: 이름 붙은 칸의 배열은 칸마다 따로 복사해 훨씬 느리다.
    kept = trades[: outcome.trades].view(f"V{TRADE_DTYPE.itemsize}").copy().view(TRADE_DTYPE)
    held = np.empty(len(day_last), dtype=np.int32)
    held_days_nb(kept, day_last, held)
    span = int(dataset.ltf.open_time[-1] - dataset.ltf.open_time[0]) + ltf_ms(dataset)
    values = metrics_nb(
        kept,
        daily[CLOSING],
        costs.initial_cash,
        outcome.final,
        outcome.max_drawdown,
        outcome.held,
        n,
        span / DAY_MS,
    )
    metrics = dict(zip(METRICS, values.tolist(), strict=True))
    return BacktestResult(
        metrics,
        kept,
        daily[CLOSING],
        first_day,
        costs.initial_cash,
        daily[HIGHEST],
        daily[LOWEST],
        daily[DRAWDOWN],
        held,
    )


def equity_curve(
    dataset: Dataset, strategy: Strategy, params: Params, costs: CostModel
) -> NDArray[np.float64]:
    """봉마다 종가로 평가한 금액, float64[n], 호가 통화. 백테스트를 다시 돌려 만든다."""
    workspace = Workspace()
    n = len(dataset.ltf)
    curve = np.empty(n, dtype=np.float64)
    signals = make_signals(dataset, strategy, params, workspace)
    trades = np.empty(n, dtype=TRADE_DTYPE)
    _simulate(dataset, signals, costs, trades, curve, day_ends(dataset)[1], workspace)
    return curve


def _simulate(
    dataset: Dataset,
    signals: Signals,
    costs: CostModel,
    trades: NDArray[Any],
    curve: NDArray[np.float64],
    day_last: NDArray[np.int64],
    workspace: Workspace,
) -> tuple[Outcome, NDArray[np.float64]]:
    """(kernel의 결과, daily float64[DAY_ROWS, d])."""
    from optimize.backtest.coast_nb import coarse_nb
    from optimize.backtest.engine_nb import simulate_nb
    from optimize.backtest.engine_types_nb import DAY_ROWS, Books

    if len(dataset.ltf) < 2:
        raise DataError(
            "백테스트할 봉이 모자랍니다",
            f"{dataset.ref.symbol} {dataset.ref.cell}: {len(dataset.ltf)}봉",
            "data.start와 data.end를 넓히십시오.",
        )
    bars = _bars(dataset)
    daily = np.empty((DAY_ROWS, len(day_last)), dtype=np.float64)
    outcome = simulate_nb(
        bars,
        workspace.kept(
            "coarse", dataset, lambda: coarse_nb(bars.high, bars.low, bars.close, bars.filled)
        ),
        _sub_bars(dataset),
        _funding(dataset, costs),
        _orders(dataset, signals),
        _account(dataset, costs),
        _tiers(dataset, costs),
        Books(trades, daily, day_last, curve),
    )
    return outcome, daily


def ltf_ms(dataset: Dataset) -> int:
    return parse_cell(dataset.ref.cell).ltf.ms


def day_ends(dataset: Dataset) -> tuple[int, NDArray[np.int64]]:
    """(첫 날, 날마다 그날 안에 닫힌 마지막 봉의 번호 int64[d]). 닫힌 봉이 아직 없는 날은 -1."""
    open_time, length = dataset.ltf.open_time, ltf_ms(dataset)
    first = int(open_time[0] + length - 1) // DAY_MS
    last = int(open_time[-1] + length - 1) // DAY_MS
    ends = np.arange(first + 1, last + 2, dtype=np.int64) * DAY_MS
    return first, np.searchsorted(open_time, ends - length, side="right").astype(np.int64) - 1


def _bars(dataset: Dataset) -> Bars:
    from optimize.backtest.engine_types_nb import Bars

    c = dataset.ltf
    return Bars(*(_frozen(a) for a in (c.open, c.high, c.low, c.close, c.filled)))


def _sub_bars(dataset: Dataset) -> SubBars:
    from optimize.backtest.engine_types_nb import SubBars

    if dataset.base is None or dataset.base_start is None:
        empty = np.empty(0, dtype=np.float64)
        parts = (empty, empty, empty, np.empty(0, dtype=np.bool_), np.empty(0, dtype=np.int64))
    else:
        c = dataset.base
        parts = (c.open, c.high, c.low, c.filled, dataset.base_start)
    return SubBars(*(_frozen(a) for a in parts))


def _funding(dataset: Dataset, costs: CostModel) -> FundingRows:
    """펀딩 행을 봉에 앉힌다. 자료의 기간 밖의 행은 뺀다."""
    from optimize.backtest.engine_types_nb import FundingRows

    open_time, schedule = dataset.ltf.open_time, dataset.funding
    if schedule is None or not costs.funding:
        whole, real = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
        return FundingRows(whole, whole, np.empty(0, dtype=np.bool_), real, real)
    inside = (schedule.time >= open_time[0]) & (schedule.time < open_time[-1] + ltf_ms(dataset))
    time, rate = schedule.time[inside], schedule.rate[inside].copy()
    bar = np.searchsorted(open_time, time, side="right").astype(np.int64) - 1
    at_open = time == open_time[bar]
    price = dataset.ltf.open[bar]
    sub = np.full(len(time), -1, dtype=np.int64)
    if dataset.base is not None and dataset.base_start is not None:
        found = np.searchsorted(dataset.base.open_time, time, side="right").astype(np.int64) - 1
        has = (found >= dataset.base_start[bar]) & (found < dataset.base_start[bar + 1])
        sub[has] = found[has]
        price = np.where(has, dataset.base.open[np.maximum(found, 0)], price)
    return FundingRows(bar, sub, at_open, price, rate)


def _orders(dataset: Dataset, signals: Signals) -> Orders:
    """신호의 모양과 형을 확인하고 kernel의 것으로 옮긴다. 틀리면 RunError."""
    from optimize.backtest.engine_types_nb import Orders

    n = len(dataset.ltf)
    distances = {
        "stop_atr": signals.stop_atr,
        "trail_atr": signals.trail_atr,
        "target_atr": signals.target_atr,
    }
    needs_atr = any(value is not None for value in distances.values())
    if needs_atr and signals.atr is None:
        raise RunError(
            "전략의 신호가 틀렸습니다",
            "ATR 청산을 쓰는데 Signals.atr가 없습니다.",
            "signals()가 돌려주는 Signals에 atr를 채우십시오.",
        )
    for name, value in distances.items():
        if value is not None and not 0 < value < np.inf:
            raise RunError(
                "전략의 신호가 틀렸습니다",
                f"{name} = {value!r}은(는) 양수가 아닙니다.",
                f"signals()가 {name}에 0보다 큰 수를 주거나 None으로 두게 하십시오.",
            )
    if signals.max_bars is not None and signals.max_bars < 1:
        raise RunError("전략의 신호가 틀렸습니다", f"max_bars = {signals.max_bars}", "1 이상으로")
    atr = signals.atr if signals.atr is not None else np.empty(0, dtype=np.float64)
    return Orders(
        _directions(_shaped(signals.entry, "entry", n, np.int8)),
        _shaped(signals.exit_long, "exit_long", n, np.bool_),
        _shaped(signals.exit_short, "exit_short", n, np.bool_),
        _shaped(atr, "atr", n, np.float64) if needs_atr else np.empty(0, dtype=np.float64),
        needs_atr,
        _distance(signals.stop_atr),
        _distance(signals.trail_atr),
        _distance(signals.target_atr),
        _NEVER if signals.max_bars is None else int(signals.max_bars),
    )


def _distance(value: float | None) -> float:
    return float("inf") if value is None else float(value)


def _shaped(array: NDArray[Any], name: str, n: int, dtype: type[np.generic]) -> NDArray[Any]:
    """길이 n의 이어진 배열. int8·bool로 옮길 때 값이 변하면 RunError."""
    found = np.asarray(array)
    if found.shape != (n,):
        raise RunError(
            "전략의 신호가 틀렸습니다",
            f"{name}의 모양이 {found.shape}입니다.",
            f"({n},)이어야 합니다: 봉마다 값 하나.",
        )
    if found.dtype == dtype and found.flags.c_contiguous and found.flags.aligned:
        return _writable_typed(found)
    with np.errstate(invalid="ignore"):  # NaN은 아래에서 값이 변한 것으로 거절한다
        converted = found.astype(dtype)
    if found.dtype != dtype and not np.array_equal(
        converted, found, equal_nan=found.dtype.kind == "f"
    ):
        raise RunError(
            "전략의 신호가 틀렸습니다",
            f"{name}의 값을 {np.dtype(dtype).name}(으)로 옮길 수 없습니다({found.dtype.name}).",
            "entry는 -1, 0, +1, exit_*는 True/False, atr는 실수입니다.",
        )
    return converted


def _directions(entry: NDArray[Any]) -> NDArray[Any]:
    """-1, 0, +1이 아닌 값이 있으면 RunError."""
    if entry.size and (entry.min() < -1 or entry.max() > 1):
        at = int(np.flatnonzero((entry < -1) | (entry > 1))[0])
        raise RunError(
            "전략의 신호가 틀렸습니다",
            f"entry의 {at}번째 값이 {entry[at]}입니다.",
            "entry는 -1(Short), 0(없음), +1(Long) 가운데 하나여야 합니다.",
        )
    return entry


def _writable_typed(array: NDArray[Any]) -> NDArray[Any]:
    """numba는 읽기 전용 배열을 다른 형으로 본다. kernel을 두 번 컴파일하지 않게 형을 맞춘다."""
    return array if array.flags.writeable else array.copy()


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """읽기 전용 view. memory map된 자료와 같은 numba 형이 된다."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def _account(dataset: Dataset, costs: CostModel) -> Account:
    from optimize.backtest.engine_types_nb import Account

    ref = dataset.ref
    return Account(
        cash=float(costs.initial_cash),
        fee=float(costs.fee_rate),
        slip=float(costs.slippage_rate),
        slip_price=float(costs.slippage_price(ref)),
        leverage=float(costs.leverage),
        fraction=float(costs.position_fraction),
        max_notional=costs.max_notional(ref),
        limit_target=costs.maker_fee_rate is not None,
        maker=float(costs.maker_fee_rate or 0.0),
        allow_long=costs.direction != "short",
        allow_short=costs.direction != "long",
        step=float(costs.step_size or ref.step_size or 0.0),
        min_notional=float(costs.min_notional or ref.min_notional or 0.0),
    )


def _tiers(dataset: Dataset, costs: CostModel) -> NDArray[np.float64]:
    """증거금 구간, 펼친 float64[3t]: 시작하는 금액, 유지 증거금률, 공제액."""
    tiers = costs.tiers(dataset.ref)
    floors = [0.0, *(tier.notional_cap for tier in tiers[:-1])]
    rows = [
        (floor, tier.maintenance_margin_rate, tier.maintenance_amount)
        for floor, tier in zip(floors, tiers, strict=True)
    ]
    return np.array(rows, dtype=np.float64).ravel()
