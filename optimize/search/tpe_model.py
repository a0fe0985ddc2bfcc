"""TPE 모형: 시행을 좋은 차례로 세워 l과 g로 가르고, 차원의 묶음마다 후보를 낸다.

Optuna 5의 multivariate TPE와 같은 규칙을 따른다: 좋은 쪽 l(x)는 앞의 min(⌈0.1n⌉, 25)개, 나머지와
평가 중인 것은 g(x). 차례는 `tpe_rank`. l에서 24개를 뽑아 log l − log g가 가장 큰 것을 낸다.

조건부 차원: 함께 켜지는 차원들이 한 묶음이다. 묶음 안은 결합 분포, 묶음 사이는 독립이고, 묶음은 그
차원들이 켜졌던 시행만 본다(Optuna의 `group=True`와 같은 생각). 언제나 켜진 차원들이 첫 묶음이다.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimize.search.tpe_dimensions import Codec, Dimension
from optimize.search.tpe_group import REBUILD_FROM, TpeGroup
from optimize.search.tpe_leaders import Leaders, ScoreLeaders
from optimize.search.tpe_rank import Rank
from optimize.strategy.parameter import Parameter
from optimize.trial import Params, ParamValue

N_CANDIDATES = 24

# 조합의 좌표: 묶음마다 float64[D], 꺼진 묶음은 None.
Coordinates = tuple[NDArray[np.float64] | None, ...]


class TpeModel:
    """한 스터디의 TPE 모형."""

    def __init__(
        self,
        groups: Sequence[Sequence[Parameter]],
        n_candidates: int = N_CANDIDATES,
        leaders: Leaders | None = None,
    ) -> None:
        """groups: 함께 켜지는 차원들의 묶음. 한 차원은 한 묶음에만 있다.

        leaders: l에 들 시행을 고르는 규칙. None이면 한 목표의 것.
        """
        self._leaders = ScoreLeaders() if leaders is None else leaders
        self._n_candidates = n_candidates
        self._groups = [
            TpeGroup(Codec([Dimension(p) for p in group]), self._leaders.max_below)
            for group in groups
        ]
        self._home = {name: i for i, g in enumerate(self._groups) for name in g.codec.names}
        self._place = {
            name: place for g in self._groups for place, name in enumerate(g.codec.names)
        }
        self._n = 0

    def __len__(self) -> int:
        """배운 시행의 수."""
        return self._n

    def encode(self, params: Params) -> Coordinates:
        """조합의 좌표. 차원이 가질 수 없는 값이면 ValueError."""
        return tuple(
            g.codec.encode(params) if g.codec.covers(params) else None for g in self._groups
        )

    def add(self, place: Coordinates, rank: Rank) -> None:
        """시행 하나를 배운다. place: `encode`가 준 것. rank가 유한하지 않으면 ValueError."""
        if not all(map(math.isfinite, rank)):
            raise ValueError(f"차례를 매길 값이 유한하지 않습니다: {rank}")
        rows = [-1 if x is None else g.append(x) for g, x in zip(self._groups, place, strict=True)]
        self._leaders.add(rank, self._n, rows)
        self._n += 1

    def fit(self, pending: Sequence[Coordinates] = ()) -> None:
        """배운 시행과 평가 중인 조합으로 l과 g를 맞춘다. pending: `encode`가 준 것들."""
        leaders = self._leaders.chosen(self._n)
        for i, group in enumerate(self._groups):
            below = sorted(rows[i] for rows in leaders if rows[i] >= 0)
            group.fit(below, [x for place in pending if (x := place[i]) is not None])

    def add_pending(self, place: Coordinates) -> None:
        """방금 낸 조합을 평가 중인 것으로 더한다(constant liar). `fit` 뒤에 부른다."""
        for group, x in zip(self._groups, place, strict=True):
            if x is not None:
                group.add_pending(x)

    def draw(self, rng: np.random.Generator) -> Draw:
        """후보 한 벌. `fit` 뒤에 부른다."""
        return Draw(self, rng)

    def candidates(self, group: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """묶음의 후보들, 좋은 차례."""
        return self._groups[group].candidates(self._n_candidates, rng)


class Draw:
    """후보 한 벌. 물은 차원의 묶음만 그때 셈한다."""

    def __init__(self, model: TpeModel, rng: np.random.Generator) -> None:
        self._model = model
        self._rng = rng
        self._drawn: dict[int, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        """고를 수 있는 차례의 수."""
        return self._model._n_candidates

    def value(self, name: str, nth: int = 0) -> ParamValue:
        """차원의 값. nth: 그 묶음에서 몇 번째로 좋은 후보인가(0부터)."""
        model = self._model
        home = model._home[name]
        if home not in self._drawn:
            self._drawn[home] = model.candidates(home, self._rng)
        place = model._place[name]
        dimension = model._groups[home].codec.dimensions[place]
        return dimension.decode(float(self._drawn[home][nth, place]))


def warm_up(parameter: Parameter) -> None:
    """컴파일된 코드를 미리 불러온다(없으면 컴파일한다). parameter: 아무 차원이나 하나."""
    rng = np.random.default_rng(0)
    model = TpeModel([[parameter]])
    place = model.encode({parameter.name: parameter.default})
    for _ in range(2):
        for i in range(REBUILD_FROM + 1):
            # 점점 나은 시행: l을 드나드는 길까지 지난다.
            model.add(place, (0, -float(i), 0.0))
        model.fit([place])
        model.add(place, (0, 1.0, 0.0))
        model.add(place, (0, -1e3, 0.0))
        model.fit()
    for _ in range(10):
        # 못한 시행이 열 늘면 l이 하나 커져, 배운 시행 하나가 g에서 l로 옮겨 간다.
        model.add(place, (0, 1e6, 0.0))
        model.fit()
    model.draw(rng).value(parameter.name)
