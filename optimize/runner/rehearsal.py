"""작업자의 예행: 작은 가짜 봉으로 돌려, 컴파일된 커널을 디스크 캐시에서 미리 읽어 둔다.

캔들을 준비하고 저장소를 여는 동안 작업자들이 이 일을 마친다. 값은 쓰지 않는다.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from optimize.data.dataset import Candles, Dataset, DatasetRef
from optimize.data.timeframes import MINUTE_MS, parse_cell
from optimize.strategy.kernel_cache import rehearsed_marker
from optimize.strategy.parameter import ChoiceParameter, IntParameter, Parameter
from optimize.strategy.protocol import Signals
from optimize.trial import Params

if TYPE_CHECKING:
    from optimize.backtest.costs import CostModel
    from optimize.strategy.protocol import Strategy

_BARS = 600
_ENGINE = "engine"
# 마법사가 처음 권하는 전략과 칸.
DEFAULT_STRATEGY, DEFAULT_CELL = "squeeze_momentum", "1m@15m"
# 작업자의 원형에게 예행할 `커널|칸`을 건네는 환경 변수.
TEMPLATE_ENV = "BACKTEST_WIZARD_TEMPLATE"


def rehearse(strategy: str, costs: CostModel, symbol: str, cell: str) -> None:
    """전략과 엔진의 커널을 읽는다. 캐시가 비었으면 컴파일한다.

    컴파일은 한 프로세스만 하고 나머지는 기다렸다가 읽는다: 여럿이 같은 것을 컴파일하면 모두 느리다.
    사용자의 전략은 부르지 않고 읽기만 하며 엔진만 예행한다: 예외든 죽음이든 진짜 시행에서 나야
    그 시행의 것으로 적힌다.
    """
    from optimize.strategy.registry import load_strategy

    name = kernels_of(strategy)
    marker = rehearsed_marker(name, cell)
    with ExitStack() as stack:
        if not marker.exists():
            stack.enter_context(_only_one(marker))
        if name == _ENGINE:
            with suppress(Exception):
                load_strategy(strategy)
        _run_all(name, costs, symbol, cell)
        with suppress(OSError):
            marker.touch()


def rehearse_compiled(name: str, cell: str) -> None:
    """컴파일되어 있는 커널(`kernels_of`)만 읽는다. 아직이면 아무 일도 하지 않는다."""
    from optimize.backtest.costs import CostModel

    if rehearsed_marker(name, cell).exists():
        _run_all(name, CostModel(), "DEMO:BTCUSDT", cell)


def kernels_of(strategy: str) -> str:
    """예행할 커널: 내장 전략의 이름, 사용자의 전략이면 엔진만."""
    from optimize.strategy.registry import BUILTIN_STRATEGIES

    return strategy if strategy in BUILTIN_STRATEGIES else _ENGINE


@contextmanager
def _only_one(marker: Path) -> Iterator[None]:
    """표시 파일마다 한 프로세스. 잠글 수 없는 폴더면 그냥 지나간다."""
    from filelock import FileLock

    lock = FileLock(f"{marker}.lock")
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _run_all(name: str, costs: CostModel, symbol: str, cell: str) -> None:
    """기본값으로 한 번, 고를 값마다 한 번씩 평가한다(값에 따라 다른 커널을 쓰는 전략이 있다)."""
    from optimize.strategy.registry import load_strategy

    dataset = rehearsal_dataset(symbol, cell)
    if name == _ENGINE:
        _evaluate(dataset, _Idle(), {}, costs)
        return
    with suppress(Exception):
        loaded = load_strategy(name)
        defaults = {parameter.name: parameter.default for parameter in loaded.parameters}
        _evaluate(dataset, loaded, defaults, costs)
        for parameter in loaded.parameters:
            if isinstance(parameter, ChoiceParameter):
                for choice in parameter.choices:
                    _evaluate(dataset, loaded, {**defaults, parameter.name: choice}, costs)


class _Idle:
    """아무 신호도 내지 않는 전략."""

    name = "idle"
    parameters: tuple[Parameter, ...] = ()

    def signals(self, dataset: Dataset, params: Params) -> Signals:
        """모두 없음."""
        import numpy as np

        n = len(dataset.ltf)
        never = np.zeros(n, dtype=np.bool_)
        return Signals(np.zeros(n, dtype=np.int8), never, never.copy())


def _evaluate(dataset: Dataset, strategy: Strategy, params: Params, costs: CostModel) -> None:
    from optimize.backtest.engine import run_backtest
    from optimize.validation.measure import Ruler
    from optimize.validation.splits import Rules, Scheme, Split

    first_day = ((0, 1),)
    ruler = Ruler(dataset, Scheme(Rules(), (0, 1), (Split(first_day, first_day),)))
    with suppress(Exception):
        ruler.measure(run_backtest(dataset, strategy, params, costs), 0)


def rehearsal_dataset(symbol: str, cell: str) -> Dataset:
    """진짜 자료와 배열의 형(dtype, 읽기 전용)이 같은 600봉."""
    import numpy as np

    frames = parse_cell(cell)
    ltf = _candles(_BARS, frames.ltf.ms)
    htf = htf_index = None
    if frames.htf is not None:
        ratio = frames.htf.minutes // frames.ltf.minutes
        htf = _candles(_BARS // ratio + 1, frames.htf.ms)
        htf_index = ((np.arange(_BARS) + 1) // ratio - 1).astype(np.int32)
        htf_index.flags.writeable = False
    base = base_start = None
    if frames.ltf.ms > MINUTE_MS:
        base = _candles(2 * _BARS, frames.ltf.ms // 2)
        base_start = np.arange(0, 2 * _BARS + 1, 2, dtype=np.int64)
        base_start.flags.writeable = False
    ref = DatasetRef(
        symbol=symbol,
        cell=cell,
        start_ms=0,
        end_ms=_BARS * frames.ltf.ms,
        fingerprint="rehearsal",
        source="예행",
        is_demo=True,
        bars=_BARS,
        filled_bars=0,
        ltf_path="",
        tick_size=0.01,
    )
    return Dataset(ref, ltf, htf, htf_index, base, base_start)


def _candles(bars: int, step_ms: int) -> Candles:
    import numpy as np

    middle = 100.0 + np.sin(np.arange(bars + 1) / 7.0)
    opened, close = middle[:-1].copy(), middle[1:].copy()
    candles = Candles(
        open_time=np.arange(bars, dtype=np.int64) * step_ms,
        open=opened,
        high=np.maximum(opened, close) + 0.1,
        low=np.minimum(opened, close) - 0.1,
        close=close,
        volume=np.ones(bars),
        filled=np.zeros(bars, dtype=np.bool_),
    )
    for item in fields(candles):
        getattr(candles, item.name).flags.writeable = False
    return candles


def main() -> None:
    """`python -m optimize.runner.rehearsal`: 기본 전략의 커널과 탐색의 모형을 미리 컴파일한다.

    화면이 처음 열릴 때 뒤에서 부른다. 사용자가 마법사를 지나는 동안 끝나도록, 그러나 방해하지 않게
    낮은 우선순위로 돈다.
    """
    from optimize.backtest.costs import CostModel
    from optimize.search.tpe_model import warm_up  # 실행에서처럼, 커널의 캐시 자리가 정해지기 전에

    os.nice(10)
    rehearse(DEFAULT_STRATEGY, CostModel(), "DEMO:BTCUSDT", DEFAULT_CELL)
    # 이것이 없으면 첫 실행이 열 번째 시행쯤에서 십여 초 멈춘다.
    warm_up(IntParameter("any", 0))


if __name__ == "__main__":
    main()
