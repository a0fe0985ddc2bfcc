"""장애 조치: 서버가 사라지고, 따라가던 대기 서버(streaming standby)가 같은 주소에서 이어받는다.

주소는 하나다(앞에 둔 프록시나 가상 IP가 옮긴다). 60초를 비우는 큰 판은
`python tests/bench/failover.py`이다.
"""

from __future__ import annotations

from pathlib import Path

import failover
import optuna
import pytest


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_a_promoted_standby_takes_over(
    tmp_path: Path, undisturbed: dict[str, tuple[float, ...]]
) -> None:
    """함께 commit하던(synchronous) 대기 서버가 이어받는다: 잃는 것도 다른 값도 없다."""
    said = failover.fail_over(tmp_path / "run", 200, 2, undisturbed, down=3.0, lagging=False)
    assert "되살아났습니다" in said
    assert "잃어" not in said


def test_a_standby_that_lagged_behind_gets_the_lost_trials_back(
    tmp_path: Path, undisturbed: dict[str, tuple[float, ...]]
) -> None:
    """뒤처진(asynchronous) 대기 서버는 저장했다고 답한 시행을 잃었다: 실행이 제 기록에서 다시 넣는다."""
    said = failover.fail_over(tmp_path / "run", 200, 2, undisturbed, down=1.0, lagging=True)
    assert "저장소가 시행" in said
    assert "모두 이 실행의 기록에서 되찾았습니다" in said
