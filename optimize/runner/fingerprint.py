"""스터디의 지문: 서로 견줄 수 있는 시행만 한 스터디에 담는다.

스터디의 user attribute `wizard`에 전략·탐색 공간·캔들·비용·목표·엔진의 판을 적는다. 이어서 돌릴 때
하나라도 다르면 무엇이 달라졌는지 말하고 거절한다.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize.errors import SettingsError, WizardError

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef
    from optimize.search.space import SearchSpace
    from optimize.settings.model import ObjectiveSection, Params
    from optimize.settings.symbols import SymbolEntry
    from optimize.storage.store import TrialStore

ATTRIBUTE = "wizard"
TARGET_KEY = "target"
# 검증이 생기기 전의 스터디에는 칸이 없다.
_UNCHECKED = {"method": "none"}
_VERSION = 1
_LABELS = {
    "symbol": "심볼",
    "cell": "시간 단위",
    "strategy": "전략",
    "strategy_hash": "전략의 코드",
    "space": "탐색 공간",
    "data": "캔들",
    "market": "호가·수량 단위",
    "costs": "체결과 비용",
    "objective": "목표와 제약",
    "validation": "검증",
    "engine": "엔진의 판",
}


def describe_study(
    params: Params,
    ref: DatasetRef,
    space: SearchSpace,
    code: Mapping[str, str],
    others: Sequence[DatasetRef] = (),
) -> dict[str, Any]:
    """스터디에 적을 것. 순서와 무관하게 견줄 수 있는 JSON 값이다.

    code: 전략의 파일들(`strategy_files`). others: 한 시행이 ref와 함께 보는 나머지 심볼의 자료. 있으면 심볼마다의
    단위와 비용도 적는다. strategy_files와 space_items는 견주지 않고, 달라졌을 때 무엇인지 대는 데만 쓴다.
    """
    from optimize.backtest.engine import ENGINE_VERSION
    from optimize.data.period import format_period
    from optimize.strategy.registry import code_digest
    from optimize.validation.splits import Rules

    return {
        "version": _VERSION,
        "symbol": ", ".join(item.symbol for item in (ref, *others)),
        "cell": ref.cell,
        "strategy": params.strategy.name,
        "strategy_hash": code_digest(code),
        "strategy_files": {name: found[:12] for name, found in code.items()},
        "space": space.fingerprint,
        "space_items": space.described,
        "data": {
            "fingerprint": _together(ref, others),
            "period": format_period(ref.start_ms, ref.end_ms),
            "days": list(utc_days(ref)),
            "funding": ", ".join(_funding_text(item) for item in (ref, *others)),
            "source": ", ".join(dict.fromkeys(item.source for item in (ref, *others))),
        },
        "market": _markets(params, ref, others),
        "costs": params.backtest.model_dump(mode="json") | _own_costs(params),
        "objective": _objective(params.objective, bool(others)),
        "validation": Rules(**params.validation.model_dump()).relevant,
        "engine": ENGINE_VERSION,
    }


def _funding_text(ref: DatasetRef) -> str:
    """펀딩 기록의 내용의 sha256(앞 8자), 없으면 `없음`."""
    if ref.funding_path is None:
        return "없음"
    return hashlib.sha256(Path(ref.funding_path).read_bytes()).hexdigest()[:8]


def utc_days(ref: DatasetRef) -> tuple[int, int]:
    """자료가 걸친 날의 범위 [첫 날, 끝 날), 1970-01-01부터의 UTC 날."""
    from optimize.data.period import DAY_MS

    return ref.start_ms // DAY_MS, (ref.end_ms - 1) // DAY_MS + 1


def recorded_goals(described: Mapping[str, Any]) -> tuple[str, ...]:
    """스터디에 적힌 목표의 지표들. 적혀 있지 않으면 빈 tuple."""
    try:
        return tuple(str(goal["metric"]) for goal in described["objective"]["goals"])
    except (KeyError, TypeError):
        return ()


def recorded_test_days(described: Mapping[str, Any]) -> int:
    """스터디에 적힌 기간과 검증에서, 검증에 쓴 날들의 합집합의 날 수. 적혀 있지 않으면 0."""
    from optimize.validation.splits import Rules, day_count, make_scheme

    rules, data = described.get("validation"), described.get("data")
    if not isinstance(rules, Mapping) or not isinstance(data, Mapping) or "days" not in data:
        return 0
    try:
        return day_count(make_scheme(Rules(**rules), *data["days"]).testing)
    except (TypeError, ValueError, KeyError, WizardError):
        # 다른 판이 적은, 모르는 꼴이다.
        return 0


def _objective(section: ObjectiveSection, several: bool) -> dict[str, Any]:
    """목표와 제약. mode의 기본값은 적지 않는다: mode가 없던 때의 스터디를 이을 수 있다.

    several: 심볼이 여럿인가. 하나면 모으는 법은 값을 바꾸지 않으므로 적지 않는다.
    """
    described = section.model_dump(mode="json")
    if section.mode == "weighted":
        del described["mode"]
    if not several:
        del described["across_symbols"]
    return described


def _together(ref: DatasetRef, others: Sequence[DatasetRef]) -> str:
    """모든 심볼의 자료의 지문. 하나면 그것의 것."""
    if not others:
        return ref.fingerprint
    text = "\n".join(item.fingerprint for item in (ref, *others))
    return hashlib.sha256(text.encode()).hexdigest()


def _own_costs(params: Params) -> dict[str, float]:
    """심볼마다 따로 적은 비용: `심볼 키` → 값."""
    return {
        f"{entry.symbol} {key}": value
        for entry in params.chosen
        for key, value in entry.own_costs.items()
    }


def _markets(
    params: Params, ref: DatasetRef, others: Sequence[DatasetRef]
) -> dict[str, float | str | None]:
    entries = params.chosen
    if not others:
        return _market(params, entries[0], ref)
    return {
        f"{item.symbol} {key}": value
        for entry, item in zip(entries, (ref, *others), strict=True)
        for key, value in _market(params, entry, item).items()
    }


def _market(params: Params, entry: SymbolEntry, ref: DatasetRef) -> dict[str, float | str | None]:
    """체결에 드는 거래소의 단위와 증거금 구간표. 호가 단위는 호가 단위로 미끄러질 때만 값을 바꾼다."""
    from optimize.backtest.costs import CostModel
    from optimize.backtest.margin import tiers_digest

    costs = entry.costs(params.backtest.model_dump())
    return {
        "tick_size": ref.tick_size if costs["slippage_ticks"] else None,
        "step_size": ref.step_size or None,
        "min_notional": ref.min_notional or None,
        "margin_tiers": tiers_digest(CostModel(**costs).tiers(ref)),
    }


def digest(described: Mapping[str, Any]) -> str:
    """견줄 것들의 sha256(앞 32자)."""
    text = json.dumps(_comparable(described), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def claim_study(store: TrialStore, described: Mapping[str, Any]) -> None:
    """스터디에 지문을 적거나, 적힌 것과 견준다. 다르면 SettingsError.

    다른 도구가 만든, 시행이 이미 있는 스터디도 거절한다(무엇으로 계산한 값인지 알 수 없다).
    """
    recorded = store.user_attrs().get(ATTRIBUTE)
    if recorded is None:
        if store.counts().finished:
            raise SettingsError(
                f"스터디 '{store.study_name}'은(는) 이 프로그램이 만든 것이 아닙니다",
                "시행이 이미 있는데 무엇으로 계산했는지 적혀 있지 않습니다",
                "--study-name 으로 새 스터디를 만드세요",
            )
        store.set_user_attrs({ATTRIBUTE: dict(described)})
        recorded = store.user_attrs().get(ATTRIBUTE)
    changes = _changes(recorded if isinstance(recorded, dict) else {}, described)
    if changes:
        raise SettingsError(
            f"스터디 '{store.study_name}'을(를) 이 설정으로 이을 수 없습니다",
            "견줄 수 없는 시행이 섞입니다. 달라진 것:\n" + "\n".join(changes),
            f"설정을 되돌리거나, 새 스터디를 만드세요(지난 시행은 그대로 남습니다): --study-name {store.study_name}_2",
        )


def note_target(store: TrialStore, target: int) -> None:
    """목록이 다 한 스터디를 알아보도록, 마지막 실행의 목표 총수를 적는다."""
    recorded = store.user_attrs().get(ATTRIBUTE)
    if isinstance(recorded, dict) and recorded.get(TARGET_KEY) != target:
        store.set_user_attrs({ATTRIBUTE: {**recorded, TARGET_KEY: target}})


def _comparable(described: Mapping[str, Any]) -> dict[str, Any]:
    """견줄 칸들. 캔들은 출처가 아니라 내용으로, 전략은 이름(경로)이 아니라 코드로 본다."""
    kept = {key: described.get(key) for key in _LABELS if key not in {"data", "strategy", "market"}}
    kept["validation"] = described.get("validation") or _UNCHECKED
    market = described.get("market")
    kept["market"] = {
        name: value
        for name, value in (market if isinstance(market, Mapping) else {}).items()
        if value is not None
    }
    data = described.get("data")
    kept["data"] = data.get("fingerprint") if isinstance(data, Mapping) else None
    return kept


def changed_labels(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """달라진 칸들의 한국어 이름."""
    before, after = _comparable(recorded), _comparable(now)
    return [_LABELS[key] for key in _LABELS if key in after and before[key] != after[key]]


def _changes(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    before, after = _comparable(recorded), _comparable(now)
    return [
        f"{_LABELS[key]}: {_inside(key, recorded, now) or _detail(key, recorded.get(key), now.get(key))}"
        for key in _LABELS
        if key in after and before[key] != after[key]
    ]


def _inside(key: str, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """전략의 코드와 공간은 어느 파일과 어느 파라미터가 달라졌는지. 적혀 있지 않으면 빈 글."""
    beside = {"strategy_hash": "strategy_files", "space": "space_items"}.get(key, "")
    before, after = recorded.get(beside), now.get(beside)
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ""
    moved = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if key == "strategy_hash":
        return f"바뀐 파일 {', '.join(moved)}" if moved else ""
    return ", ".join(
        f"{name} {before.get(name, '없음')} → {after.get(name, '없음')}" for name in moved
    )


def _detail(key: str, before: Any, after: Any) -> str:
    if key == "data":
        moved = [str(d.get("funding", "")) for d in (before, after) if isinstance(d, Mapping)]
        funding = f", 펀딩 기록 {' → '.join(moved)}" if len({*moved}) == 2 and all(moved) else ""
        return f"{_data_text(before)} → {_data_text(after)}{funding}"
    if key == "strategy_hash":
        return (
            "스터디를 만든 때의 것과 다릅니다. 앞 판의 프로그램이 만든 스터디라 어느 파일인지 적혀 있지 않습니다"
            "(전략을 고치지 않았어도 프로그램이 바뀌면 다릅니다)"
        )
    if key == "space":
        return "내용이 바뀌었습니다"
    if key == "market":
        before, after = before or {}, after or {}
    if key == "validation":
        before, after = before or _UNCHECKED, after or _UNCHECKED
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return ", ".join(f"{name} {before.get(name)} → {after.get(name)}" for name in keys)
    return f"{before} → {after}"


def _data_text(data: Any) -> str:
    if not isinstance(data, Mapping):
        return "모름"
    return f"{data.get('source')} {data.get('period')} (지문 {str(data.get('fingerprint'))[:8]})"
