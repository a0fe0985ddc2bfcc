"""성과 지표의 이름표. 표준 라이브러리만 쓴다: 설정과 화면이 numba 없이 읽는다.

모든 지표는 늘 유한하다. 나눌 것이 없을 때의 규칙:
- 비율 지표(sharpe, sortino, calmar, profit_factor, payoff_ratio)는 [-RATIO_CAP, RATIO_CAP] 안에 둔다.
- sharpe: 일간 수익률의 표준편차가 0이면 0.
- sortino: 손실 난 날이 없으면 평균이 0보다 클 때 RATIO_CAP, 아니면 0.
- calmar: 낙폭이 0이면 CAGR이 0보다 클 때 RATIO_CAP, 아니면 0.
- profit_factor: 손실 거래가 없으면 이익 거래가 있을 때 RATIO_CAP, 아니면 0.
- payoff_ratio: 이익 거래나 손실 거래가 없으면 0.
- 일간 편차와 낙폭(비율)이 NOISE 이하면 반올림의 찌꺼기로 보고 0으로 친다.
- 거래가 없으면 거래의 평균들은 0. cagr_pct는 [-100, CAGR_CAP_PCT] 안에 둔다.
식은 docs/strategy.md의 '지표'에 있다.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RATIO_CAP = 100.0
CAGR_CAP_PCT = 1e6
TRADING_DAYS = 365.0
NOISE = 1e-12


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """label: 한국어 이름. unit: `%`, `회`, `봉`, 비율은 빈 글. goal: 좋은 방향.

    description: 한 줄 설명. digits: 보일 때의 소수 자릿수.
    """

    label: str
    unit: str
    goal: Literal["max", "min"]
    description: str
    digits: int = 2

    @property
    def label_ko(self) -> str:
        """화면에 쓰는 한국어 이름."""
        return self.label


METRICS: dict[str, MetricInfo] = {
    "net_profit_pct": MetricInfo("순이익", "%", "max", "처음 돈에 대한 마지막 평가금의 증가"),
    "cagr_pct": MetricInfo("연복리 수익률", "%", "max", "기간을 365일로 환산한 복리 수익률"),
    "sharpe": MetricInfo("Sharpe", "", "max", "일간 수익률의 평균/표준편차 × √365, 무위험 0"),
    "sortino": MetricInfo("Sortino", "", "max", "일간 수익률의 평균/하방 편차 × √365"),
    "calmar": MetricInfo("Calmar", "", "max", "연복리 수익률 / 최대 낙폭"),
    "max_drawdown_pct": MetricInfo(
        "최대 낙폭", "%", "min", "봉마다 평가한 금액의 고점 대비 최대 하락"
    ),
    "profit_factor": MetricInfo("Profit factor", "", "max", "이익 거래의 합 / 손실 거래의 합"),
    "win_rate_pct": MetricInfo("승률", "%", "max", "순손익이 0보다 큰 거래의 비율", 1),
    "trades": MetricInfo("거래 수", "회", "max", "닫힌 거래의 수(마지막 봉에 닫은 것 포함)", 0),
    "expectancy_pct": MetricInfo(
        "거래당 기대값", "%", "max", "거래 순손익 / 진입 때 평가금의 평균", 3
    ),
    "payoff_ratio": MetricInfo("손익비", "", "max", "평균 이익 / 평균 손실"),
    "avg_bars": MetricInfo("평균 보유", "봉", "min", "거래 하나의 평균 보유 봉", 1),
    "exposure_pct": MetricInfo("노출", "%", "min", "포지션을 가진 봉의 비율", 1),
    "max_losing_streak": MetricInfo(
        "최대 연속 손실", "회", "min", "잇달아 손실 난 거래의 최대 수", 0
    ),
    "long_trades": MetricInfo("Long 거래", "회", "max", "long 거래의 수", 0),
    "short_trades": MetricInfo("Short 거래", "회", "max", "short 거래의 수", 0),
    "liquidations": MetricInfo("강제 청산", "회", "min", "강제 청산된 거래의 수", 0),
    "fees_pct": MetricInfo("수수료", "%", "min", "낸 수수료의 합 / 처음 돈"),
    "funding_pct": MetricInfo("펀딩", "%", "min", "낸 펀딩에서 받은 펀딩을 뺀 것 / 처음 돈"),
}
