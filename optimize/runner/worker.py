"""작업자 프로세스에서 도는 함수들. 파라미터를 받아 지표를 돌려줄 뿐 저장소를 모른다.

무거운 import(numba, 전략, 엔진)는 작업자 안에서 한 번만 한다. 캔들은 프로세스마다 한 번
memory map하고, 전략과 배열(Workspace)은 시행들이 함께 쓴다.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from optimize.errors import WizardError
from optimize.interrupt import Stopped
from optimize.masking import mask_secrets, printable
from optimize.runner.cargo import CargoFile, unpack_ref, unpack_strategy
from optimize.runner.chatter import divert_output
from optimize.runner.patience import TrialTimeout, limited
from optimize.search.pruning import is_hopeless
from optimize.trial import Params

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import numpy as np
    from numpy.typing import NDArray

    from optimize.backtest.costs import CostModel
    from optimize.data.dataset import Dataset, DatasetRef
    from optimize.search.objective import Objective
    from optimize.strategy.protocol import Strategy, Workspace
    from optimize.validation.measure import Measured
    from optimize.validation.splits import Scheme

# 행렬 곱이 제 thread를 더 띄우지 않게 한다: 병렬은 프로세스가 맡는다.
SINGLE_THREAD_ENV: Mapping[str, str] = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    ),
    "1",
)
_MAX_ERROR_LENGTH = 500


class Market(NamedTuple):
    """한 칸의 한 심볼: 자료와 그 심볼의 비용."""

    ref: DatasetRef
    costs: CostModel


@dataclass(frozen=True, slots=True)
class Job:
    """한 칸의 시행들이 함께 쓰는 것. 작업자로 한 번 건너가 남는다.

    strategy: `load_strategy`가 읽는 이름. objective: 앞 구간의 점수를 매길 때만 쓴다.
    trial_timeout: 시행 하나의 시간 제한(초), None이면 없다.
    cargo: 다른 컴퓨터의 작업자에게 실어 보낸 파일들. 비었으면 모든 경로를 그대로 읽는다.
    scheme: 기간을 학습과 검증으로 나눈 것, None이면 나누지 않는다.
    code: 실행을 시작할 때의 전략의 지문. 작업자가 읽은 것이 다르면(도는 동안 고친 파일) 시행은 실패한다. 비었으면
    견주지 않는다.
    ref, costs: 첫 심볼의 것. others: 한 시행이 함께 보는 나머지 심볼들의 것, 하나면 비었다.
    """

    ref: DatasetRef
    strategy: str
    costs: CostModel
    objective: Objective
    cargo: tuple[CargoFile, ...] = ()
    scheme: Scheme | None = None
    trial_timeout: float | None = None
    others: tuple[Market, ...] = ()
    code: str = ""

    @property
    def markets(self) -> tuple[Market, ...]:
        """한 시행이 보는 심볼들, 이름의 차례."""
        return (Market(self.ref, self.costs), *self.others)

    @property
    def folds(self) -> int:
        """split의 수, 검증이 없으면 0."""
        return 0 if self.scheme is None else len(self.scheme.splits)


class Work(NamedTuple):
    """평가할 시행 하나. params: 꺼진 것의 기본값까지 모두. fold: 맡은 split의 번호, 검증이 없으면 None.

    symbol: 몇 번째 심볼인가(`Job.markets`). 심볼이 여럿이면 시행 하나가 심볼마다 하나씩이다.
    """

    params: Params
    fold: int | None = None
    symbol: int = 0


class Gate(NamedTuple):
    """앞 구간의 문턱. fraction: 학습 구간의 앞에서부터 볼 봉의 비율. minimum: 이보다 낮은 점수면 멈춘다(None은 보기만)."""

    fraction: float
    minimum: float | None


class Outcome(NamedTuple):
    """시행 하나의 결과. metrics가 None이면 실패이고 error가 까닭이다.

    started: UTC epoch 초. seconds: 계산에 걸린 초. intermediate: 앞 구간의 백분율 → 점수.
    pruned: 문턱을 넘지 못해 멈췄다(metrics는 그 앞 구간의 것이다).
    in_sample: split이 여럿이면 그 split의 학습 날들의 지표, 하나면 metrics와 같아 None이다.
    out_of_sample: 검증 날들의 지표. blocks: `optimize.validation.measure.Measured`의 것. 멈췄으면 모두 없다.
    returns: 심볼이 여럿일 때만, blocks로 줄이기 전의 일간 수익률 float64[날]. 심볼들의 것을 평균 낸다.
    parts: 심볼이 여럿일 때 심볼마다의 결과(작업자가 아니라 coordinator가 모아 담는다).
    """

    metrics: dict[str, float] | None
    error: str
    started: float
    seconds: float
    intermediate: dict[int, float]
    pruned: bool
    in_sample: dict[str, float] | None = None
    out_of_sample: dict[str, float] | None = None
    blocks: str = ""
    returns: NDArray[np.float64] | None = None
    parts: tuple[Outcome, ...] = ()


class Rehearsal(NamedTuple):
    """예행할 것: 전략의 이름, 비용, 심볼, 칸."""

    strategy: str
    costs: CostModel
    symbol: str
    cell: str


def start_worker(lifeline: Connection, rehearsal: Rehearsal) -> None:
    """이 컴퓨터의 작업자가 시작할 때: 터미널의 신호를 무시하고, coordinator가 죽으면(lifeline이 끊기면) 따라
    끝나며, 커널을 미리 읽는다.
    """
    import numpy as np

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    divert_output()
    threading.Thread(target=_follow, args=(lifeline,), daemon=True).start()
    # 한 원형에서 갈라진 작업자들이 같은 난수를 내지 않게 한다(씨앗을 정하지 않은 전략의 np.random).
    np.random.seed()
    warm_up(rehearsal)


def _follow(lifeline: Connection) -> None:
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


def warm_up(rehearsal: Rehearsal) -> int:
    """전략과 엔진과 커널을 미리 읽는다(첫 시행이 기다리지 않게). 이 프로세스의 pid."""
    from optimize.runner.rehearsal import rehearse

    rehearse(rehearsal.strategy, rehearsal.costs, rehearsal.symbol, rehearsal.cell)
    return os.getpid()


def evaluate(
    key: str, packed: bytes, gates: Sequence[Gate], batch: Sequence[Work]
) -> list[Outcome]:
    """시행 묶음을 차례로 평가한다. 시행의 예외는 그 시행의 실패로 돌려준다.

    key, packed: 칸의 이름과 pickle한 `Job`. 같은 것은 한 번만 푼다.
    """
    me = os.getpid()
    outcomes = [
        outcome
        for symbol, works in groupby(batch, key=lambda work: work.symbol)
        for outcome in _evaluate_symbol(key, packed, gates, list(works), symbol)
    ]
    if os.getpid() != me:
        # 전략이 fork하고 끝내지 않은 복사본이다: 작업자 노릇을 하지 않는다.
        os._exit(0)
    return outcomes


def _evaluate_symbol(
    key: str, packed: bytes, gates: Sequence[Gate], batch: Sequence[Work], symbol: int
) -> list[Outcome]:
    started = time.time()
    try:
        bench = _bench(key, packed, symbol)
    except BaseException as error:  # noqa: BLE001 — 사용자의 전략 파일은 무엇이든 올릴 수 있다
        _let_go(error)
        failed = Outcome(None, _reason(error), started, 0.0, {}, False)
        return [failed] * len(batch)
    if len(batch) > 1 and not gates:
        together = _evaluate_together(bench, batch)
        if together is not None:
            return together
    return [_evaluate_one(bench, gates, work) for work in batch]


def _evaluate_together(bench: _Bench, batch: Sequence[Work]) -> list[Outcome] | None:
    """한 번에 함께 평가한다. 하나라도 실패하면 None(하나씩 평가해 어느 것인지 가린다)."""
    started, clock = time.time(), time.perf_counter()
    limit = bench.job.trial_timeout
    try:
        with limited(None if limit is None else limit * len(batch)):
            found = bench.measure_batch(batch)
    except BaseException as error:  # noqa: BLE001 — 까닭은 하나씩 평가할 때 그 시행에 남는다
        _let_go(error)
        return None
    each = (time.perf_counter() - clock) / len(batch)
    several = bool(bench.job.others)
    return [
        _complete(measured, started + index * each, each, {}, several)
        for index, measured in enumerate(found)
    ]


def _complete(
    measured: Measured,
    started: float,
    seconds: float,
    intermediate: dict[int, float],
    several: bool,
) -> Outcome:
    """끝까지 평가한 결과. 같은 지표를 두 번 보내지 않는다. several: 심볼이 여럿인가."""
    inside = None if measured.in_sample is measured.metrics else measured.in_sample
    return Outcome(
        measured.metrics,
        "",
        started,
        seconds,
        intermediate,
        False,
        inside,
        measured.out_of_sample,
        "" if several else measured.blocks,
        measured.returns if several else None,
    )


def _evaluate_one(bench: _Bench, gates: Sequence[Gate], work: Work) -> Outcome:
    started, clock = time.time(), time.perf_counter()
    intermediate: dict[int, float] = {}
    try:
        with limited(bench.job.trial_timeout):
            front = _hopeless_front(bench, gates, work.params, intermediate)
            measured = bench.measure(work) if front is None else None
    except BaseException as error:  # noqa: BLE001 — 시행 하나의 실패는 실행을 멈추지 않는다
        _let_go(error)
        seconds = time.perf_counter() - clock
        return Outcome(None, _reason(error), started, seconds, intermediate, False)
    seconds = time.perf_counter() - clock
    if measured is None:
        return Outcome(front, "", started, seconds, intermediate, True)
    return _complete(measured, started, seconds, intermediate, bool(bench.job.others))


def _hopeless_front(
    bench: _Bench, gates: Sequence[Gate], params: Params, intermediate: dict[int, float]
) -> dict[str, float] | None:
    """문턱을 넘지 못한 앞 구간의 지표, 모두 넘으면 None. intermediate에 문턱마다의 점수를 적는다."""
    for gate in gates:
        metrics = bench.front(params, gate.fraction)
        score = bench.job.objective.score(metrics).values[0]
        intermediate[round(gate.fraction * 100)] = score
        if is_hopeless(intermediate, gate.minimum):
            return metrics
    return None


class _Bench:
    """한 칸을 평가할 자리: 연 캔들과 전략, 시행마다 다시 쓰는 배열."""

    def __init__(self, job: Job) -> None:
        from optimize.strategy.protocol import Workspace
        from optimize.validation.measure import Ruler

        self.job = job
        self._strategy = _strategy(job.strategy)
        self._dataset = job.ref.open()
        self._workspace = Workspace()
        self._ruler = Ruler(self._dataset, job.scheme)
        self._new_workspace = Workspace
        self._fronts: dict[float, tuple[Dataset, Workspace]] = {}

    def measure(self, work: Work) -> Measured:
        """전체 기간을 한 번 돌려 학습과 검증의 지표를 잰다."""
        from optimize.backtest.engine import run_backtest

        result = run_backtest(
            self._dataset, self._strategy, work.params, self.job.costs, self._workspace
        )
        return self._ruler.measure(result, work.fold)

    def measure_batch(self, batch: Sequence[Work]) -> list[Measured]:
        """여러 시행의 지표. 하나씩 잰 것과 같다."""
        from optimize.backtest.engine import run_batch

        params = [work.params for work in batch]
        results = run_batch(self._dataset, self._strategy, params, self.job.costs, self._workspace)
        return [
            self._ruler.measure(result, work.fold)
            for result, work in zip(results, batch, strict=True)
        ]

    def front(self, params: Params, fraction: float) -> dict[str, float]:
        """학습 구간의 앞 fraction만큼의 지표."""
        from optimize.backtest.engine import run_backtest

        dataset, workspace = self._front(fraction)
        return dict(
            run_backtest(dataset, self._strategy, params, self.job.costs, workspace).metrics
        )

    def _front(self, fraction: float) -> tuple[Dataset, Workspace]:
        from optimize.backtest.altered import truncated

        if fraction not in self._fronts:
            bars = self._ruler.in_sample_bars
            bars = len(self._dataset.ltf) if bars is None else bars
            # 미래를 읽지 않으므로 신호와 체결은 전체의 앞 구간과 같다(같은 메모리의 view다).
            part = truncated(self._dataset, max(int(bars * fraction), 1))
            self._fronts[fraction] = (part, self._new_workspace())
        return self._fronts[fraction]


def _let_go(error: BaseException) -> None:
    """사용자의 Ctrl-C는 다시 올린다. 작업자는 그것을 받지 않으므로, 거기서 난 것은 전략이 낸 것이다."""
    mine = isinstance(error, KeyboardInterrupt) and (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if mine or isinstance(error, Stopped):
        raise error


def _reason(error: BaseException) -> str:
    """한 줄로 줄인 까닭: 예외의 이름, 글, 난 자리."""
    if isinstance(error, TrialTimeout):
        return str(error)
    if isinstance(error, WizardError):
        return printable(" ".join(f"{error.title}: {error.cause}".split()))[:_MAX_ERROR_LENGTH]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        code = trace.tb_frame.f_code
        where = f" ({os.path.basename(code.co_filename)}:{trace.tb_lineno})"
    text = printable(" ".join(f"{type(error).__name__}: {error}".split()))
    return mask_secrets(text[:_MAX_ERROR_LENGTH] + where)


# 칸이 많아도 프로세스가 연 파일이 한없이 늘지 않게 한다.
@lru_cache(maxsize=64)
def _bench(key: str, packed: bytes, symbol: int) -> _Bench:
    from optimize.strategy.registry import require_same_code

    del key
    job: Job = pickle.loads(packed)  # noqa: S301 — 같은 실행의 coordinator가 보낸 것이다
    ref, costs = job.markets[symbol]
    job = replace(job, ref=ref, costs=costs)
    if job.cargo:
        ref = unpack_ref(job.ref, job.cargo)
        job = replace(job, ref=ref, strategy=unpack_strategy(job.strategy, job.cargo))
    require_same_code(job.strategy, job.code)
    return _Bench(job)


@lru_cache(maxsize=8)
def _strategy(spec: str) -> Strategy:
    from optimize.strategy.registry import load_strategy

    return load_strategy(spec)
