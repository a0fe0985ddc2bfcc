"""잡음의 판정: 예측할 수 없는 시장에서 진짜 엔진으로 찾은 최선이 '과최적화 의심'을 받는 비율.

    python tests/bench/noise.py [--seeds 2000] [--trials 40] [--days 365] [--sampler random|tpe] [--strategy NAME] [--signal X] [--json]

시장은 앞날의 평균 수익률이 늘 0인 1시간봉의 무작위 걸음, 전략은 ma_cross나 squeeze_momentum(비용 없음)이다. 고르게 뽑은 조합(random)이면
이론은 우연 확률이 [0, 1]에서 고르다는 것이다: 의심받는 비율은 95 %, PBO의 평균은 50 %다. 지난 시행을 보고 고르는 tpe도 5 %만
빠져나가야 한다(PBO의 이론은 없다). 우연 확률이 5 % 아래인 비율이 99 % 이항 구간보다 크거나, random에서 의심받은 비율이 구간
밖이면 exit code 1이다. --signal은 진짜 우위를 심어, 놓치지 않는 비율을 본다.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "verdict"))

from noise_market import SPACES, random_walk, search

from optimize.verdict.chance import LUCK_LEVEL
from optimize.verdict.figures import Judge
from optimize.verdict.judge import LABELS, judge


def measure(
    seeds: int, trials: int, days: int, sampler: str, strategy: str, signal: float
) -> dict[str, object]:
    """씨앗마다 시장 하나를 찾아 판정한 것의 요약."""
    began = time.perf_counter()
    levels: Counter[str] = Counter()
    luck, pbo, deflated, correlation, sharpes = [], [], [], [], []
    for seed in range(seeds):
        study = search(random_walk(seed, days, signal), seed, trials, sampler, strategy)
        verdict = judge(Judge([study]).figures(study))
        figures = verdict.figures
        levels[verdict.level] += 1
        luck.append(figures.luck.probability)
        pbo.append(figures.pbo.probability)
        deflated.append(figures.deflated.probability)
        sharpes.append(figures.record.sharpe)
        correlation.append(figures.effective.correlation)
    expected = 1.0 - LUCK_LEVEL
    away = 2.58 * math.sqrt(expected * (1 - expected) / seeds)
    return {
        "seeds": seeds,
        "trials": trials,
        "days": days,
        "sampler": sampler,
        "strategy": strategy,
        "signal": signal,
        "levels": {LABELS[level]: count for level, count in levels.most_common()},
        "best_sharpe_mean": round(float(np.mean(sharpes)), 2),
        "suspected": levels["suspect"] / seeds,
        "expected": expected,
        "interval": [round(expected - away, 3), round(min(expected + away, 1.0), 3)],
        "luck_below_level": float(np.mean(np.array(luck) < LUCK_LEVEL)),
        "luck_mean": round(float(np.mean(luck)), 3),
        "luck_quartiles": [round(float(x), 3) for x in np.percentile(luck, [25, 50, 75])],
        "pbo_mean": round(float(np.mean(pbo)), 3),
        "dsr_above_95": float(np.mean(np.array(deflated) > 0.95)),
        "correlation_mean": round(float(np.mean(correlation)), 3),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="잡음이 과최적화 의심을 받는 비율")
    parser.add_argument("--seeds", type=int, default=2000, help="시장의 수")
    parser.add_argument("--trials", type=int, default=40, help="시장마다의 시행 수")
    parser.add_argument("--days", type=int, default=365, help="기간(일)")
    parser.add_argument("--sampler", choices=("random", "tpe"), default="random")
    parser.add_argument("--strategy", choices=tuple(SPACES), default="ma_cross")
    parser.add_argument("--signal", type=float, default=0.0, help="심을 추세의 크기(0이면 잡음)")
    parser.add_argument("--json", action="store_true", help="JSON으로 쓴다")
    arguments = parser.parse_args()
    found = measure(
        arguments.seeds,
        arguments.trials,
        arguments.days,
        arguments.sampler,
        arguments.strategy,
        arguments.signal,
    )
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")
    if arguments.signal:
        return 0
    low, high = found["interval"]
    inside = arguments.sampler != "random" or low <= found["suspected"] <= high
    return 0 if inside and found["luck_below_level"] <= round(1.0 - low, 3) else 1


if __name__ == "__main__":
    sys.exit(main())
