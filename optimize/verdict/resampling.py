"""다시 뽑기: 거래의 차례를 섞은 낙폭과, 일간 수익률의 stationary bootstrap.

- 거래의 차례: 같은 거래들이 다른 차례로 왔다면 낙폭이 얼마였을까. 끝 평가금은 그대로이고 낙폭만 달라진다.
- stationary bootstrap: Politis & Romano, "The Stationary Bootstrap", JASA 89(428), 1994. 길이가 평균 L인
  기하분포의 블록을 이어 같은 길이의 기간을 만든다(끝은 처음으로 돌아간다). L = round(d^(1/3)), 2 이상.

`arch`에 같은 bootstrap이 있지만 pandas·scipy·statsmodels를 함께 들이므로 쓰지 않는다.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.metrics import TRADING_DAYS

DRAWS = 1000
BAND = (5.0, 50.0, 95.0)
MIN_TRADES = 20
MIN_DAYS = 30
_CELLS = 250_000
_RUIN = 1e-12


@dataclass(frozen=True, slots=True)
class Band:
    """뽑은 것들의 5 %, 50 %, 95 % 자리."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Band:
        """float64[뽑은 수]의 띠."""
        low, middle, high = (float(value) for value in np.percentile(values, BAND))
        return cls(low, middle, high)


@dataclass(frozen=True, slots=True)
class TradeOrder:
    """drawdown: 섞은 차례들의 최대 낙폭(%, 거래가 닫힐 때의 평가금). actual: 실제 차례의 것. trades: 거래 수.

    worse: 섞은 낙폭이 실제 이상인 몫. 작으면 실제의 차례가 나쁜 쪽에서 드문 것이고, 크면 운 좋은 차례였다.
    """

    drawdown: Band
    actual: float
    worse: float
    trades: int


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """일간 수익률을 다시 뽑은 띠들. sharpe: 연율. cagr_pct, max_drawdown_pct: %(날마다의 평가금).

    loss: 끝 평가금이 처음보다 작은 몫. block: 평균 블록 길이(날).
    """

    sharpe: Band
    cagr_pct: Band
    max_drawdown_pct: Band
    loss: float
    block: int


def shuffle_trades(
    returns: NDArray[np.float64], seed: int = 0, draws: int = DRAWS
) -> TradeOrder | None:
    """거래의 수익률 float64[t](진입 때 평가금에 대한 것, 0.01 = 1 %)을 섞는다. 20개보다 적으면 None."""
    count = len(returns)
    if count < MIN_TRADES:
        return None
    rng = np.random.default_rng(seed)
    steps = np.log(np.maximum(1.0 + returns, _RUIN))
    actual = float(_drawdowns(np.cumsum(steps)[None, :])[0])
    found = []
    size = max(1, _CELLS // count)
    for start in range(0, draws, size):
        rows = min(size, draws - start)
        mixed = rng.permuted(np.broadcast_to(steps, (rows, count)), axis=1)
        found.append(_drawdowns(np.cumsum(mixed, axis=1)))
    drawdowns = np.concatenate(found)
    worse = float(np.mean(drawdowns >= actual - 1e-9))
    return TradeOrder(Band.of(drawdowns), actual, worse, count)


def mean_block(days: int) -> int:
    """평균 블록 길이(날): round(d^(1/3)), 2 이상."""
    return max(2, round(math.cbrt(days)))


def stationary_indices(
    days: int, block: float, draws: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """다시 뽑은 날들 int64[draws, days]. 날마다 1/block의 확률로 새 블록을 시작한다."""
    fresh = rng.random((draws, days)) < 1.0 / block
    fresh[:, 0] = True
    starts = rng.integers(0, days, (draws, days))
    position = np.arange(days)
    # 블록의 시작에서 지금까지 몇 날이 지났는가를 더한다.
    began = np.maximum.accumulate(np.where(fresh, position, 0), axis=1)
    return (np.take_along_axis(starts, began, axis=1) + position - began) % days


def bootstrap_returns(
    returns: NDArray[np.float64], seed: int = 0, draws: int = DRAWS
) -> Bootstrap | None:
    """일간 수익률 float64[d]을 다시 뽑는다. 30일보다 적으면 None."""
    days = len(returns)
    if days < MIN_DAYS:
        return None
    rng = np.random.default_rng(seed)
    block = mean_block(days)
    parts = []
    size = max(1, _CELLS // days)
    for start in range(0, draws, size):
        rows = min(size, draws - start)
        parts.append(_measure(returns[stationary_indices(days, block, rows, rng)]))
    sharpe, final, drawdown = (np.concatenate(column) for column in zip(*parts, strict=True))
    growth = np.exp(np.minimum(final * TRADING_DAYS / days, 50.0))
    return Bootstrap(
        sharpe=Band.of(sharpe),
        cagr_pct=Band.of(100.0 * (growth - 1.0)),
        max_drawdown_pct=Band.of(drawdown),
        loss=float(np.mean(final < 0.0)),
        block=block,
    )


def _measure(
    sample: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(연율 Sharpe, 끝 평가금의 로그, 최대 낙폭 %). sample: float64[뽑은 수, d]."""
    deviation = sample.std(axis=1, ddof=1)
    mean = sample.mean(axis=1)
    sharpe = np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 1e-12)
    paths = np.cumsum(np.log(np.maximum(1.0 + sample, _RUIN)), axis=1)
    return sharpe * np.sqrt(TRADING_DAYS), paths[:, -1], _drawdowns(paths)


def _drawdowns(paths: NDArray[np.float64]) -> NDArray[np.float64]:
    """로그 평가금의 길들 float64[k, n]의 최대 낙폭(%). 처음 돈(로그 0)도 고점이다."""
    peaks = np.maximum(np.maximum.accumulate(paths, axis=1), 0.0)
    return np.asarray(100.0 * (1.0 - np.exp((paths - peaks).min(axis=1))))
