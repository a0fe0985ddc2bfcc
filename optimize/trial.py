"""끝난 시행 한 개의 값. coordinator가 만들고 storage가 저장하고 sampler가 읽는다.

표준 라이브러리만 쓴다: 시장도 Optuna도 모른다.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False)

ParamValue = bool | int | float | str
Params = Mapping[str, ParamValue]
TrialState = Literal["COMPLETE", "PRUNED", "FAIL"]
# {"values": [점수…], "out_of_sample": [검증 점수…], "metrics": {이름: 값}}
SymbolScore = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FinishedTrial:
    """끝난 시행.

    uid: 이 시행의 고유한 이름(uuid4 hex). 저장이 여러 번 시도되어도 한 번만 남게 한다.
    number: 스터디 안의 번호. 아직 저장되지 않았으면 None.
    state: Optuna의 끝난 상태 이름.
    params: 켜진 파라미터만(`requires`로 꺼진 것은 없다), 사람이 읽는 값.
    values: 목표 값들(길이는 스터디의 방향 수). FAIL이면 빈 tuple. PRUNED면 마지막 중간 값.
    constraints: Optuna의 제약 값들. 0 이하면 만족. 제약이 없으면 빈 tuple.
    metrics: 이름 → 수(유한). 단위는 `optimize.backtest.metrics`의 이름표를 따른다.
    intermediate: step → 중간 값.
    started_at, finished_at: 시간대가 있는 UTC.
    error: FAIL의 까닭(비밀번호를 가린 한 줄).

    검증(validation)이 있으면 values·constraints·metrics는 모든 split의 학습 날들의 합집합에서 잰 것이다.
    아래의 것은 검증이 없거나 끝까지 평가되지 않은 시행(PRUNED·FAIL)에서는 fold만 빼고 비어 있다.
    fold: 이 시행을 맡은 split의 번호(0부터), 검증이 없으면 None. 그 split의 sampler만 이 시행에서 배운다.
    in_sample, out_of_sample: 그 split의 학습과 검증 날들에서 잰 목표 값들(values와 같은 길이와 방향).
    in_sample_constraints: 그 split의 학습 날들에서 잰 제약 값들(constraints와 같은 길이).
    out_of_sample_metrics: 그 split의 검증 날들의 지표(metrics와 같은 이름).
    blocks: 학습 날들의 합집합(검증이 없으면 모든 날)의 일간 수익률을 줄인 글
    (`optimize.validation.blocks.encode_blocks`), 없으면 빈 글. 검증이 없어도 있다.

    by_symbol: 심볼이 여럿이면 심볼 → 그 심볼만의 목표 값(values), 검증 값(out_of_sample), 몇 지표(metrics).
    위의 값들은 이것들을 `objective.across_symbols`로 모은 것이고, blocks는 날마다의 평균 수익률의 것이다.
    """

    uid: str
    state: TrialState
    params: Params
    values: tuple[float, ...]
    started_at: datetime
    finished_at: datetime
    metrics: Mapping[str, float] = field(default_factory=dict)
    constraints: tuple[float, ...] = ()
    intermediate: Mapping[int, float] = field(default_factory=dict)
    number: int | None = None
    error: str = ""
    fold: int | None = None
    in_sample: tuple[float, ...] = ()
    in_sample_constraints: tuple[float, ...] = ()
    out_of_sample: tuple[float, ...] = ()
    out_of_sample_metrics: Mapping[str, float] = field(default_factory=dict)
    blocks: str = ""
    by_symbol: Mapping[str, SymbolScore] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        """끝까지 평가되었고 모든 제약을 만족하는가."""
        return self.state == "COMPLETE" and all(c <= 0 for c in self.constraints)


def params_key(params: Params) -> str:
    """파라미터 조합의 지문(sha256의 앞 32자). 순서에 무관하며 1과 1.0을 같게 본다."""
    # bool은 int의 하위형이지만 1과 다른 값이다.
    canonical = {
        name: float(value) if type(value) is int else value for name, value in params.items()
    }
    return hashlib.sha256(_CANONICAL.encode(canonical).encode()).hexdigest()[:32]
