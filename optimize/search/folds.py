"""split마다 제 sampler: 시행을 split에 고르게 돌리고, sampler는 제 split의 학습 점수만 본다.

한 split의 sampler는 다른 split의 시행에서 점수를 배우지 않는다(다른 split의 학습에는 이 split의 검증 날이
들 수 있다). 조합의 지문만 나누어, 한 스터디에 같은 조합이 두 번 나오지 않게 한다.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from optimize.search.proposer import Proposer
from optimize.search.winners import as_seen
from optimize.trial import FinishedTrial, Params, ParamValue, params_key

# 2^64 / 황금비. split마다 서로 먼 씨앗이 된다.
_STRIDE = 0x9E3779B97F4A7C15


class FoldedProposer:
    """proposers: split마다 하나. 하나뿐이면 모든 시행이 그것에서 나온다. main thread에서만 쓴다."""

    def __init__(self, proposers: Sequence[Proposer]) -> None:
        self._proposers = tuple(proposers)
        self._finished = [0] * len(self._proposers)

    @property
    def n_folds(self) -> int:
        """split의 수."""
        return len(self._proposers)

    def forget(self) -> None:
        """탐색이 끝났다: sampler들이 배운 것(시행 50,000개면 수십 MB)을 놓는다. 그 뒤로는 묻지 않는다."""
        self._proposers = ()

    def observe(self, trials: Sequence[FinishedTrial]) -> None:
        """끝난 시행을 제 split의 sampler에 알린다. split을 모르는 시행(다른 도구의 것)은 막기만 한다."""
        if self.n_folds == 1:
            self._proposers[0].observe(trials)
            return
        mine: list[list[FinishedTrial]] = [[] for _ in self._proposers]
        keys: list[list[str]] = [[] for _ in self._proposers]
        for trial in trials:
            home = trial.fold if trial.fold in range(self.n_folds) else None
            if home is not None:
                self._finished[home] += 1
                mine[home].append(as_seen(trial))
            key = params_key(trial.params)
            for fold, found in enumerate(keys):
                if fold != home:
                    found.append(key)
        for fold, proposer in enumerate(self._proposers):
            proposer.observe(mine[fold])
            proposer.block(keys[fold])

    def ask(
        self, n: int, pending: Sequence[tuple[int, Params]]
    ) -> list[tuple[int, dict[str, ParamValue]]]:
        """(split, 새 조합) n개. pending: 지금 평가 중인 (split, 조합) 모두. 공간이 다하면 n개보다 적다.

        시행이 가장 적은 split의 차례다(같으면 번호가 앞선 것): 이어 돌려도 고르게 나뉜다.
        """
        if self.n_folds == 1:
            flying = [params for _, params in pending]
            return [(0, params) for params in self._proposers[0].ask(n, flying)]
        mine: list[list[Params]] = [[] for _ in self._proposers]
        for fold, params in pending:
            mine[fold].append(params)
        counts = [done + len(own) for done, own in zip(self._finished, mine, strict=True)]
        turns = []
        for _ in range(n):
            fold = counts.index(min(counts))
            counts[fold] += 1
            turns.append(fold)
        found: dict[int, deque[dict[str, ParamValue]]] = {}
        for fold in sorted(set(turns)):
            asked = self._proposers[fold].ask(turns.count(fold), mine[fold])
            found[fold] = deque(asked)
            self._block_elsewhere(fold, asked)
        return [(fold, found[fold].popleft()) for fold in turns if found[fold]]

    def _block_elsewhere(self, home: int, asked: Sequence[Params]) -> None:
        keys = [params_key(params) for params in asked]
        for fold, proposer in enumerate(self._proposers):
            if fold != home:
                proposer.block(keys)


def fold_seed(seed: int | None, fold: int) -> int | None:
    """split의 sampler의 씨앗. 첫 split은 seed 그대로다. seed가 None이면 None."""
    return None if seed is None else (seed + fold * _STRIDE) % 2**64
