"""서버가 죽고 coordinator가 죽어도 아무 일 없던 실행과 같은 시행, 같은 값이 남는다.

`tests/bench/faults.py`의 작은 판: 큰 판(2,000 시행, 작업자 4개, 열 번)은 그 파일을 그냥 돌린다.
"""

from __future__ import annotations

import sys
from pathlib import Path

import optuna
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
import faults

TARGET = 200  # `undisturbed`의 시행 수


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_three_immediate_stops_change_nothing(tmp_path: Path, undisturbed: faults.Values) -> None:
    """도는 동안 PostgreSQL을 세 번 immediate로 끄고 켠다: 시행의 집합과 값이 같다."""
    faults.outages(tmp_path, TARGET, 2, down=0.5, expected=undisturbed)


def test_kills_at_random_moments_change_nothing(tmp_path: Path, undisturbed: faults.Values) -> None:
    """coordinator를 아무 때나 두 번 kill -9로 죽이고 다시 실행한다: 시행의 집합과 값이 같다."""
    faults.kills(tmp_path, TARGET, 2, times=2, longest=2.0, expected=undisturbed)
