"""스터디의 지문: 견줄 수 없는 설정으로 이으려 하면 무엇이 달라졌는지 말하고 거절한다."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optimize.errors import SettingsError
from optimize.runner.fingerprint import ATTRIBUTE, claim_study, digest, note_target
from optimize.storage.listing import list_studies
from optimize.storage.options import StorageOptions
from optimize.storage.store import TrialStore
from optimize.storage.url import sqlite_url
from optimize.trial import FinishedTrial
from optimize.validation.splits import Rules

DESCRIBED: dict[str, Any] = {
    "version": 1,
    "symbol": "BINANCE:BTCUSDT",
    "cell": "1m@15m",
    "strategy": "/a/mine.py:Mine",
    "strategy_hash": "aa",
    "space": "bb",
    "data": {"fingerprint": "cc", "period": "2024", "source": "파일 x"},
    "costs": {"fee_rate": 0.0005, "leverage": 1.0},
    "objective": {"goals": [{"metric": "sharpe", "weight": 1.0}]},
    "engine": "1",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TrialStore]:
    url = sqlite_url(tmp_path / "f.db")
    opened = TrialStore.open(url, StorageOptions(), "s", ["maximize"], {}, {})
    yield opened
    opened.close()


def changed(**values: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DESCRIBED), **values}


def test_the_same_study_is_taken_up_again(store: TrialStore) -> None:
    claim_study(store, DESCRIBED)
    claim_study(store, copy.deepcopy(DESCRIBED))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"costs": {"fee_rate": 0.001, "leverage": 1.0}}, "fee_rate 0.0005 → 0.001"),
        (
            {"strategy_hash": "zz"},
            "전략의 코드: 스터디를 만든 때의 것과 다릅니다. 앞 판의 프로그램이 만든",
        ),
        ({"space": "zz"}, "탐색 공간"),
        ({"engine": "2"}, "엔진의 판: 1 → 2"),
        ({"cell": "1m@1h"}, "시간 단위: 1m@15m → 1m@1h"),
        (
            {"data": {"fingerprint": "dd", "period": "2025", "source": "파일 x"}},
            "캔들: 파일 x 2024",
        ),
        ({"objective": {"goals": []}}, "목표와 제약"),
    ],
)
def test_what_changed_is_named(store: TrialStore, change: dict[str, Any], said: str) -> None:
    claim_study(store, DESCRIBED)
    with pytest.raises(SettingsError) as refusal:
        claim_study(store, changed(**change))
    assert said in refusal.value.cause
    assert "--study-name" in refusal.value.fix
    assert digest(changed(**change)) != digest(DESCRIBED)


def test_the_changed_file_and_parameter_are_named(store: TrialStore) -> None:
    """적어 둔 것이 있으면 어느 파일과 어느 파라미터인지 댄다. 견주는 데는 쓰지 않는다."""
    files = {"strategy_files": {"Mine": "1", "levels": "2"}, "space_items": {"a": "1~9", "b": "=3"}}
    claim_study(store, changed(**files))
    claim_study(store, DESCRIBED)
    with pytest.raises(SettingsError) as refusal:
        claim_study(
            store,
            changed(
                strategy_hash="zz",
                strategy_files={"Mine": "1", "levels": "9", "more": "3"},
                space="zz",
                space_items={"a": "1~5", "c": "1|2"},
            ),
        )
    assert "전략의 코드: 바뀐 파일 levels, more" in refusal.value.cause
    assert "탐색 공간: a 1~9 → 1~5, b =3 → 없음, c 없음 → 1|2" in refusal.value.cause


def test_a_changed_funding_record_is_named(store: TrialStore) -> None:
    """같은 캔들 파일이라도 펀딩 기록이 달라졌으면 그것을 댄다."""
    claim_study(store, changed(data={**DESCRIBED["data"], "funding": "1a2b3c4d"}))
    with pytest.raises(SettingsError) as refusal:
        claim_study(
            store, changed(data={**DESCRIBED["data"], "fingerprint": "ee", "funding": "없음"})
        )
    assert "펀딩 기록 1a2b3c4d → 없음" in refusal.value.cause


def test_a_moved_file_with_the_same_candles_and_code_is_the_same_study(store: TrialStore) -> None:
    claim_study(store, DESCRIBED)
    moved = changed(
        strategy="/b/mine.py:Mine",
        data={"fingerprint": "cc", "period": "2024", "source": "Binance 현물"},
    )
    claim_study(store, moved)
    assert digest(moved) == digest(DESCRIBED)


def test_a_study_of_another_tool_with_trials_is_refused(store: TrialStore) -> None:
    now = datetime.now(UTC)
    store.append([FinishedTrial("u", "COMPLETE", {}, (1.0,), now, now)])
    with pytest.raises(SettingsError, match="만든 것이 아닙니다"):
        claim_study(store, DESCRIBED)


def test_거래소의_수량_단위가_바뀌면_잇지_않는다(store: TrialStore) -> None:
    """단위가 적히지 않은 지난 스터디와 단위가 모두 없는 것은 같다."""
    units = {"tick_size": None, "step_size": None, "min_notional": None}
    claim_study(store, DESCRIBED)
    claim_study(store, changed(market=units))
    with pytest.raises(SettingsError, match=r"호가·수량 단위: step_size None → 0\.001"):
        claim_study(store, changed(market={**units, "step_size": 0.001}))


def test_다른_나눔으로는_잇지_않고_검증이_없던_스터디는_none으로만_잇는다(
    store: TrialStore,
) -> None:
    claim_study(store, DESCRIBED)
    claim_study(store, changed(validation={"method": "none"}))
    held = changed(validation={"method": "hold_out", "test_fraction": 0.3, "embargo_days": 1})
    with pytest.raises(SettingsError, match="검증: method none → hold_out, test_fraction None"):
        claim_study(store, held)
    assert digest(held) != digest(DESCRIBED) == digest(changed(validation={"method": "none"}))


def test_쓰지_않는_방법의_규칙은_지문에_들지_않는다() -> None:
    assert Rules(folds=9, windows=2).relevant == Rules().relevant
    assert Rules(test_fraction=0.4).relevant != Rules().relevant
    assert Rules("cpcv", groups=7).relevant != Rules("cpcv").relevant


def test_목표를_적어도_지문은_그대로이고_목록은_완료를_보인다(store: TrialStore) -> None:
    claim_study(store, DESCRIBED)
    for target in (5, 2):
        note_target(store, target)
        claim_study(store, DESCRIBED)
    assert digest(store.user_attrs()[ATTRIBUTE]) == digest(DESCRIBED)
    states = []
    for index in range(3):
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        store.append([FinishedTrial(f"u{index}", "COMPLETE", {}, (1.0,), moment, moment)])
        (info,) = list_studies(store.url, StorageOptions())
        states.append(info.state)
    assert states == ["idle", "done", "done"]
