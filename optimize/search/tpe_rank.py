"""TPE가 시행을 좋은 차례로 늘어놓는 자. 작을수록 좋다. 표준 라이브러리만 쓴다.

제약을 만족하고 끝난 것(loss순) → pruning된 것(더 간 것, loss순) → 제약을 어긴 것(어긴 크기순).
Optuna의 TPESampler와 같은 차례다. 목표가 여럿이면 앞의 것은 (0, loss…)이고 그 차례는 `tpe_leaders`가 정한다.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Rank = tuple[float, ...]


def rank_of(
    *,
    complete: bool,
    losses: Sequence[float],
    intermediate: Mapping[int, float],
    constraints: Iterable[float],
    sign: float,
) -> Rank:
    """시행의 차례.

    complete: 끝까지 평가되었는가(아니면 pruning된 것). losses: 끝난 시행의 목표마다의 값(작을수록 좋은 쪽).
    intermediate: step → 중간 값. constraints: 0 이하면 만족. sign: 중간 값에 곱해 loss로 만드는 수.
    """
    violation = sum(c for c in constraints if c > 0)
    if violation > 0:
        return (2, violation, 0.0)
    if complete:
        return (0, *losses)
    if not intermediate:
        return (1, 1.0, 0.0)
    step, value = max(intermediate.items())
    return (1, -float(step), sign * value)
