"""`python -m optimize.verify`: 전략이 미래를 보는지 시험한다.

stdout은 결과(`--json`이면 JSON 하나), stderr는 진행과 알림이다.
exit code: 0 찾지 못함 · 2 틀린 인자나 설정 · 4 캔들을 얻지 못함 · 5 미래를 보는 곳을 찾았거나 전략이 멈춤 · 130 멈춤.
"""

from __future__ import annotations

from optimize.interrupt import end_quietly

if __name__ == "__main__":
    # 나머지를 import하는 동안의 Ctrl-C도 traceback이 되지 않게 먼저 부른다.
    end_quietly()

import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING

from optimize.cli import command
from optimize.verify.arguments import VerifyArguments, parse_arguments

if TYPE_CHECKING:
    from optimize.backtest.lookahead import Leak
    from optimize.data.dataset import Dataset, DatasetRef
    from optimize.strategy.protocol import Strategy
    from optimize.trial import Params
    from optimize.verify.report import TestedCell, TestedSet

LEAK_EXIT = 5
Progress = Callable[[str, int, int], None]


def main(argv: list[str]) -> int:
    """명령을 실행하고 exit code를 준다. 실패는 WizardError."""
    arguments = parse_arguments(argv)
    from optimize.data.progress import terminal_progress
    from optimize.verify.candles import load_candles
    from optimize.verify.report import lines, to_json
    from optimize.verify.samples import parameter_sets, separate_copies

    section = arguments.params.strategy
    # 전략이 쓰는 글이 stdout의 자료에 섞이지 않게 한다.
    with redirect_stdout(sys.stderr), terminal_progress() as on_progress:
        strategy, again = separate_copies(section.name)
        sets = parameter_sets(strategy, section.space, arguments.sets, arguments.seed)
        refs = load_candles(arguments, on_progress)
        cells = [
            _test_cell(index, ref, strategy, again, sets, arguments, on_progress)
            for index, ref in enumerate(refs)
        ]
    if arguments.as_json:
        print(
            json.dumps(to_json(section.name, arguments.seed, cells), ensure_ascii=False, indent=1)
        )
    else:
        print("\n".join(lines(section.name, cells)))
    return LEAK_EXIT if any(cell.leaks for cell in cells) else 0


def _test_cell(
    index: int,
    ref: DatasetRef,
    strategy: Strategy,
    again: Callable[[], Strategy],
    sets: list[Params],
    arguments: VerifyArguments,
    on_progress: Progress,
) -> TestedCell:
    """칸 하나를 모든 묶음으로. 묶음마다 다른 토막의 자료를 본다. 봉이 모자라면 DataError."""
    import numpy as np

    from optimize.backtest.altered import window
    from optimize.backtest.costs import CostModel
    from optimize.backtest.engine import make_signals, simulate
    from optimize.strategy.protocol import Workspace
    from optimize.verify.report import TestedCell

    dataset = ref.open()
    costs = CostModel(**arguments.params.backtest.model_dump())
    rng = np.random.default_rng([arguments.seed, index])
    bars = min(arguments.bars or ref.bars, ref.bars)
    tested = []
    for number, params in enumerate(sets):
        first = int(rng.integers(0, ref.bars - bars + 1))
        part = window(dataset, first, bars)
        # 신호의 모양과 값이 규약에 맞는지부터 본다.
        signals = make_signals(part, strategy, params, Workspace())
        simulate(part, signals, costs, Workspace())
        entries = int(np.count_nonzero(signals.entry))
        label = f"무작위 {number}" if number else "기본값"
        seed = int(rng.integers(2**32))
        done = number * arguments.rounds

        def step(round_: int, _: int, done: int = done) -> None:
            total = len(sets) * arguments.rounds
            on_progress(f"{ref.symbol} {ref.cell} 시험", done + round_, total)

        item = _test_set(part, strategy, again, label, params, arguments.rounds, seed, first, step)
        tested.append(replace(item, entries=entries))
    return TestedCell(ref, tuple(tested))


def _test_set(
    part: Dataset,
    strategy: Strategy,
    again: Callable[[], Strategy],
    label: str,
    params: Params,
    rounds: int,
    seed: int,
    first: int,
    on_progress: Callable[[int, int], None],
) -> TestedSet:
    """한 묶음. 칸(field)과 시험마다 처음 찾은 것 하나만 남긴다. 봉 번호는 자료 전체에서 센다."""
    from optimize.backtest.lookahead import find_leaks
    from optimize.verify.report import TestedSet

    found: dict[tuple[str, str], Leak] = {}
    for leak in find_leaks(
        part, strategy, params, rounds=rounds, seed=seed, on_progress=on_progress, again=again
    ):
        found.setdefault(
            (leak.test, leak.field),
            replace(leak, cut=leak.cut + first, bar=None if leak.bar is None else leak.bar + first),
        )
    leaks = tuple(found.values())
    return TestedSet(label, params, first, len(part.ltf), rounds, leaks)


if __name__ == "__main__":
    sys.exit(command(main)(None))
