"""평가금의 장부: 낙폭, 날마다의 평가금, 봉마다의 곡선."""

from __future__ import annotations

from optimize.backtest.engine_types_nb import (
    DAY,
    EQUITY,
    MARKED,
    PEAK,
    WALLET,
    WORST,
    Books,
    Floats,
    Ints,
)
from optimize.strategy.jit import compiled


@compiled
def mark_nb(state: Floats, equity: float) -> None:
    """평가금의 고점과 낙폭."""
    if equity > state[PEAK]:
        state[PEAK] = equity
    else:
        drop = 1.0 - equity / state[PEAK]
        if drop > state[WORST]:
            state[WORST] = drop
    state[EQUITY] = equity


@compiled
def close_days_nb(state: Floats, cursor: Ints, books: Books, before: int) -> None:
    """봉 before보다 먼저 끝난 날들에 마지막 평가금을 적는다."""
    d = cursor[DAY]
    while d < len(books.day_last) and books.day_last[d] < before:
        books.daily[d] = state[EQUITY]
        d += 1
    cursor[DAY] = d


@compiled
def stay_flat_nb(state: Floats, cursor: Ints, books: Books, until: int) -> None:
    """포지션 없이 지난 봉들을 평가한다. until은 포함하지 않는다."""
    close_days_nb(state, cursor, books, cursor[MARKED] + 1)
    if until > cursor[MARKED] + 1:
        if len(books.curve) > 0:
            books.curve[cursor[MARKED] + 1 : until] = state[WALLET]
        mark_nb(state, state[WALLET])
        cursor[MARKED] = until - 1
    close_days_nb(state, cursor, books, until)
