"""여러 심볼의 검증의 보고를 하나로: 심볼마다 낸 보고를 `objective.across_symbols`로 모은다.

이긴 시행은 모든 심볼을 함께 본 것이라 심볼마다 같다. 점수와 지표는 심볼마다 이어 붙인 뒤 모은다.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from optimize.report.validation import spread
from optimize.search.across import JointObjective, combine

Body = Mapping[str, Any]


def joint_report(bodies: Mapping[str, Body], joint: JointObjective) -> dict[str, Any]:
    """심볼 → `validation_report`의 것(하나 이상)을 하나로. 칸은 같고 `by_symbol`이 더해진다.

    by_symbol: 심볼 → {score, metrics(이어 붙인 검증의 지표, CPCV면 없다)}.
    """
    parts = list(bodies.values())
    first = parts[0]
    if len(parts) == 1:
        return dict(first)
    body = {**first, "splits": [_split(rows, joint) for rows in _columns(parts, "splits")]}
    if first["score"] is None:
        return body
    body["by_symbol"] = {
        symbol: {
            "score": part["score"],
            "metrics": part["stitched"]["metrics"] if part["stitched"] else {},
        }
        for symbol, part in bodies.items()
    }
    if first["paths"]:
        body["paths"] = [_path(rows, joint) for rows in _columns(parts, "paths")]
        scores = [path["score"] for path in body["paths"]]
        body["score"] = [statistics.median(column) for column in zip(*scores, strict=True)]
        body["path_scores"] = spread([score[0] for score in scores])
        return body
    body["score"] = list(joint.values([part["score"] for part in parts]))
    body["stitched"] = {
        **first["stitched"],
        "metrics": joint.metrics([part["stitched"]["metrics"] for part in parts]),
    }
    body["efficiency"] = _efficiency([part["efficiency"] for part in parts], joint)
    return body


def _columns(parts: Sequence[Body], key: str) -> list[tuple[Body, ...]]:
    return list(zip(*(part[key] for part in parts), strict=True))


def _split(rows: Sequence[Body], joint: JointObjective) -> dict[str, Any]:
    merged = dict(rows[0])
    if "in_sample_metrics" in merged:
        merged["in_sample_metrics"] = joint.metrics([row["in_sample_metrics"] for row in rows])
    return merged


def _path(rows: Sequence[Body], joint: JointObjective) -> dict[str, Any]:
    return {
        **rows[0],
        "score": list(joint.values([row["score"] for row in rows])),
        "metrics": joint.metrics([row["metrics"] for row in rows]),
    }


def _efficiency(parts: Sequence[Body], joint: JointObjective) -> dict[str, float | None]:
    """수익률을 모은 뒤의 비율. 학습의 것이 0 이하면 비율은 None이다."""
    inside, outside = (
        combine([part[key] for part in parts], joint.rule, maximize=True)
        for key in ("in_sample_cagr_pct", "out_of_sample_cagr_pct")
    )
    return {
        "in_sample_cagr_pct": inside,
        "out_of_sample_cagr_pct": outside,
        "value": outside / inside if inside > 0 else None,
    }
