"""얼마나 앞서 묻고 얼마씩 묶는가: 낡은 것을 보지 않되 작업자가 쉬지 않게."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.runner.pace import MAX_CHUNK, STALE_SHARE, Pace


def _pace(**known: float) -> Pace:
    usual = {"workers": 2, "cells": 1, "claim_seconds": 0.01, "trial_seconds": 0.012, "done": 0}
    return Pace(**{**usual, **known})  # type: ignore[arg-type]


def test_the_first_trials_go_out_one_by_one() -> None:
    """배운 것이 적을 때는 작업자마다 하나와 다음 하나, 그리고 조금만 앞서 묻는다."""
    assert _pace().chunk(left=500) == 1
    assert _pace().outstanding == 6


def test_chunks_grow_with_what_was_learnt() -> None:
    """끝난 시행이 쌓이면 커널이 여덟을 함께 셈한다."""
    assert [_pace(done=done).chunk(left=5000) for done in (0, 100, 200, 400, 4000)] == [
        1,
        2,
        5,
        8,
        8,
    ]


def test_long_trials_are_not_bundled() -> None:
    assert _pace(done=10_000, trial_seconds=1.0).chunk(left=5000) == 1


def test_the_last_trials_are_spread_over_the_workers() -> None:
    assert _pace(done=10_000).chunk(left=6) == 2


@pytest.mark.parametrize(("cells", "expected"), [(1, 6), (2, 3), (4, 2)])
def test_cells_share_the_workers(cells: int, expected: int) -> None:
    assert _pace(cells=cells).outstanding == expected


@given(
    workers=st.integers(1, 500),
    cells=st.integers(1, 40),
    claim=st.floats(0, 60),
    trial=st.floats(0, 1000),
    done=st.integers(0, 10**6),
    left=st.integers(0, 10**6),
)
def test_bounds_hold_for_any_run(
    workers: int, cells: int, claim: float, trial: float, done: int, left: int
) -> None:
    """묶음들을 모두 내보내고도 다음 묶음을 물을 자리가 있고, 상한은 작업자 몫이나 1/8을 넘지 않는다."""
    pace = Pace(workers, cells, claim, trial, done)
    slots = -(-2 * workers // cells)
    chunk = pace.chunk(left)
    assert 1 <= chunk <= MAX_CHUNK
    assert chunk * slots < pace.outstanding
    assert pace.outstanding <= max(2 * slots, done // STALE_SHARE)
    assert pace.ahead(chunk * slots) >= 1
    assert pace.ahead(pace.outstanding) <= 0
