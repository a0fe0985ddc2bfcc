"""평가금의 장부: 낙폭, 날마다의 평가금, 봉마다의 곡선.

날은 이어 붙일 수 있게 센다: 날의 고점·저점·낙폭은 앞 날의 마지막 평가금에서 시작하는 길의 것이라,
이웃한 두 토막은 낙폭 max(낙폭1, 낙폭2, 1 - 저점2/고점1), 고점 max, 저점 min으로 합쳐진다.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimize.backtest.engine_types_nb import (
    CLOSING,
    DAY,
    DEEPEST,
    DRAWDOWN,
    EQUITY,
    HIGHEST,
    LOWEST,
    MARKED,
    PEAK,
    TOP,
    TROUGH,
    WALLET,
    WORST,
    Books,
    Floats,
    Ints,
)
from optimize.strategy.jit import compiled_bare


@compiled_bare
def open_books_nb(state: Floats, cash: float) -> None:
    """첫 날을 연다: 모든 평가금은 처음 돈, 낙폭은 0."""
    state[WALLET] = state[EQUITY] = state[PEAK] = state[TROUGH] = state[TOP] = cash
    state[WORST] = state[DEEPEST] = 0.0


@compiled_bare
def floor_nb(peak: float, worst: float) -> float:
    """평가금이 이 아래일 때만 낙폭이 worst보다 깊을 수 있다. 반올림으로 놓치지 않게 조금 높이 잡는다."""
    return peak * (1.0 - worst) + abs(peak) * 1e-15


@compiled_bare
def drop_nb(peak: float, equity: float) -> float:
    """고점에서 내려온 비율. 고점이 0 이하면 0."""
    return 1.0 - equity / peak if peak > 0.0 else 0.0


@compiled_bare
def mark_nb(state: Floats, equity: float) -> None:
    """그날의 평가금의 고점, 저점, 낙폭."""
    if equity > state[PEAK]:
        state[PEAK] = equity
    else:
        state[WORST] = max(state[WORST], drop_nb(state[PEAK], equity))
        state[TROUGH] = min(state[TROUGH], equity)
    state[EQUITY] = equity


@compiled_bare
def close_days_nb(state: Floats, cursor: Ints, books: Books, before: int) -> None:
    """봉 before보다 먼저 끝난 날들을 적고, 다음 날을 마지막 평가금에서 시작한다."""
    d = cursor[DAY]
    while d < len(books.day_last) and books.day_last[d] < before:
        books.daily[CLOSING, d] = state[EQUITY]
        books.daily[HIGHEST, d] = state[PEAK]
        books.daily[LOWEST, d] = state[TROUGH]
        books.daily[DRAWDOWN, d] = state[WORST]
        across = drop_nb(state[TOP], state[TROUGH])
        state[DEEPEST] = max(state[DEEPEST], max(state[WORST], across))
        state[TOP] = max(state[TOP], state[PEAK])
        state[PEAK] = state[TROUGH] = state[EQUITY]
        state[WORST] = 0.0
        d += 1
    cursor[DAY] = d


@compiled_bare
def stay_flat_nb(state: Floats, cursor: Ints, books: Books, until: int) -> None:
    """포지션 없이 지난 봉들을 평가한다. until은 포함하지 않는다."""
    close_days_nb(state, cursor, books, cursor[MARKED] + 1)
    if until > cursor[MARKED] + 1:
        if len(books.curve) > 0:
            books.curve[cursor[MARKED] + 1 : until] = state[WALLET]
        mark_nb(state, state[WALLET])
        cursor[MARKED] = until - 1
    close_days_nb(state, cursor, books, until)


@compiled_bare
def held_days_nb(trades: NDArray[np.void], day_last: Ints, held: NDArray[np.int32]) -> None:
    """held[d]: 그날 닫힌 봉 가운데 포지션을 가진 봉. trades는 들어간 차례다."""
    held[:] = 0
    d = 0
    for t in range(len(trades)):
        bar = trades[t].entry_bar
        end = bar + trades[t].bars
        while d < len(day_last) and day_last[d] < bar:
            d += 1
        while bar < end:
            stop = min(end, day_last[d] + 1)
            held[d] += stop - bar
            bar = stop
            if bar < end:
                d += 1
