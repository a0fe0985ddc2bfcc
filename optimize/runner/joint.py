"""심볼이 여럿인 시행: 심볼마다의 일로 나누어 보내고, 돌아온 결과를 한 시행으로 모은다."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optimize.runner.pool import Task
from optimize.runner.worker import Outcome
from optimize.search.across import JointObjective


class SymbolJoiner:
    """main thread에서만 쓴다. symbols: 심볼의 이름들. groups: 한 시행을 나누어 맡을 작업자의 수(1 이상)."""

    def __init__(self, symbols: Sequence[str], joint: JointObjective, groups: int) -> None:
        self._symbols = tuple(symbols)
        self._joint = joint
        self._groups = min(groups, len(self._symbols))
        self._waiting: dict[str, dict[int, Outcome]] = {}

    def spread(self, tasks: Sequence[Task]) -> list[list[Task]]:
        """시행들을 한 번에 보낼 묶음들로. 묶음마다 심볼이 차례로 있어 한 심볼의 시행은 함께 셈한다."""
        if len(self._symbols) == 1:
            return [list(tasks)]
        return [
            [
                replace(task, symbol=symbol)
                for symbol in range(start, self._n, self._groups)
                for task in tasks
            ]
            for start in range(self._groups)
        ]

    @property
    def _n(self) -> int:
        return len(self._symbols)

    def join(self, task: Task, outcome: Outcome) -> Outcome | None:
        """심볼 하나의 결과. 그 시행의 심볼이 모두 모이면 한 결과를, 아니면 None을 준다."""
        if self._n == 1:
            return outcome
        parts = self._waiting.setdefault(task.uid, {})
        parts[task.symbol] = outcome
        if len(parts) < self._n:
            return None
        del self._waiting[task.uid]
        return self._joined([parts[symbol] for symbol in range(self._n)])

    def _joined(self, parts: Sequence[Outcome]) -> Outcome:
        whole = Outcome(
            None,
            "",
            min(part.started for part in parts),
            sum(part.seconds for part in parts),
            {},
            False,
        )
        failed = [
            f"{symbol}: {part.error}"
            for symbol, part in zip(self._symbols, parts, strict=True)
            if part.metrics is None
        ]
        if failed:
            return whole._replace(error=failed[0])
        return whole._replace(
            metrics=self._joint.metrics([part.metrics or {} for part in parts]),
            in_sample=self._merged([part.in_sample for part in parts]),
            out_of_sample=self._merged([part.out_of_sample for part in parts]),
            blocks=_mean_blocks(parts),
            parts=tuple(part._replace(returns=None) for part in parts),
        )

    def _merged(self, parts: Sequence[dict[str, float] | None]) -> dict[str, float] | None:
        known = [part for part in parts if part is not None]
        return self._joint.metrics(known) if len(known) == len(parts) else None


def _mean_blocks(parts: Sequence[Outcome]) -> str:
    """심볼마다 같은 돈을 두고 날마다 맞춘 포트폴리오의 일간 수익률(산술 평균)을 줄인 글."""
    import numpy as np

    from optimize.validation.blocks import encode_blocks

    returns = [part.returns for part in parts if part.returns is not None]
    if len(returns) < len(parts) or len({len(item) for item in returns}) > 1:
        return ""
    return encode_blocks(np.mean(returns, axis=0))
