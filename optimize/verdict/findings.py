"""숫자마다의 한국어 문장과 표시. 문턱은 모두 여기 있고 까닭은 docs/verdict.md에 있다."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from optimize.verdict.chance import LUCK_LEVEL
from optimize.verdict.figures import Figures

Mark = Literal["good", "warn", "bad", "unknown"]

DSR_GOOD = 0.95
PBO_BAD = 0.5
PBO_GOOD = 0.2
# PBO가 높아도 표본 밖에서 거의 잃지 않으면, 시행들이 모두 비슷하게 좋아 고르기가 뜻이 없는 것이다.
LOSS_BAD = 0.25
LOSS_HIGH = 0.5
LOSS_GOOD = 0.05
KEPT_GOOD = 0.5
# 이보다 짧은 검증에서 벌지 못한 것은 진짜 전략에도 흔하다: Sharpe 3인 전략도 30일에 다섯 번 가운데 한 번은 잃는다.
TEST_DAYS = 30
# 찾은 횟수와 상관없는 시험이다: 이만큼 확실하면 학습만 보는 잣대로는 의심하지 않는다.
TEST_SURE = 0.95
ORDER_LUCKY = 0.95


@dataclass(frozen=True, slots=True)
class Finding:
    """한 가지 잣대의 말.

    key: 기계가 읽는 이름. value: 잣대의 대표 숫자, 셈하지 못했으면 None. todo: 다음에 할 일, 없으면 빈 글.
    """

    key: str
    title: str
    mark: Mark
    text: str
    value: float | None = None
    todo: str = ""


def findings_of(figures: Figures) -> list[Finding]:
    """보이는 차례로. 셈하지 못한 잣대는 그 까닭을 말하는 unknown이다."""
    return [_TITLED[key](figures) or _missing(figures, key) for key in _TITLED]


def _missing(figures: Figures, key: str) -> Finding:
    reason = figures.missing.get(key) or figures.missing.get("best") or "셈하지 못했습니다"
    return Finding(key, TITLES[key], "unknown", f"{reason}.")


def _luck(figures: Figures) -> Finding | None:
    luck, record = figures.luck, figures.record
    if luck is None or record is None:
        return None
    bad = luck.probability > LUCK_LEVEL
    text = (
        f"잡음에서도 시행 {figures.tried:,}개(서로 무관한 {luck.independent_trials:,.0f}개와 같음)를 찾으면 "
        f"최선의 Sharpe는 평균 {luck.expected_sharpe:.2f}까지 나옵니다. 이번 최선은 {record.sharpe:.2f}이고, 운만으로 이만큼 나올 확률은 "
        f"{_percent(luck.probability)}입니다."
    )
    if luck.searches:
        text += f" 잡음에서 같은 방법으로 {luck.searches}번 다시 찾아 셈했습니다."
    return Finding(
        "luck", TITLES["luck"], _mark(not bad), text, luck.probability, _luck_todo(figures)
    )


def _luck_todo(figures: Figures) -> str:
    luck, record = figures.luck, figures.record
    if luck is None or record is None or luck.probability <= LUCK_LEVEL:
        return ""
    if luck.days_needed is None:
        return "다른 전략이나 다른 시간 단위를 시험하세요."
    return (
        f"같은 Sharpe가 약 {_length(luck.days_needed)} 이어져야 운과 갈립니다(지금 {record.days:,}일). "
        "기간을 늘리거나 탐색 공간을 좁혀 다시 실행하세요."
    )


def _deflated(figures: Figures) -> Finding | None:
    deflated, effective = figures.deflated, figures.effective
    if deflated is None or effective is None:
        return None
    good = deflated.probability >= DSR_GOOD
    text = (
        f"시행 {figures.tried:,}개(유효 {effective.average:,.0f}개)와 그 Sharpe들의 흩어짐을 셈에 넣으면 운으로 "
        f"얻을 최대는 {deflated.benchmark_sharpe:.2f}이고, 진짜 Sharpe가 그보다 클 확률(DSR)은 "
        f"{_percent(deflated.probability)}입니다(넉넉하려면 95 %)."
    )
    todo = (
        ""
        if good
        else "손실이 큰 시행이 많으면 흩어짐이 커져 낮게 나옵니다. 우연 확률과 함께 보세요."
    )
    return Finding(
        "deflated", TITLES["deflated"], "good" if good else "warn", text, deflated.probability, todo
    )


def _pbo(figures: Figures) -> Finding | None:
    pbo = figures.pbo
    if pbo is None:
        return None
    alike = pbo.probability > PBO_GOOD and pbo.loss <= LOSS_GOOD
    mark: Mark = "good" if alike or pbo.probability <= PBO_GOOD else "warn"
    todo = ""
    if pbo.probability >= PBO_BAD and pbo.loss >= LOSS_BAD:
        mark = "bad"
        todo = "최적화로 고른 값이 다음 기간에 이어지지 않습니다. 탐색 공간을 좁히거나 규칙을 줄이세요."
    elif pbo.loss >= LOSS_HIGH:
        mark = "warn"
        todo = (
            "고른 최선이 나머지 기간에서는 버는 일보다 잃는 일이 많습니다. 전략 자체를 의심하세요."
        )
    elif mark == "warn":
        todo = "시행들이 서로 비슷하면 높게 나옵니다. 표본 밖의 손실 확률을 함께 보세요."
    text = (
        f"기간의 절반에서 고른 최선이 나머지 절반에서 시행들의 가운데보다 못할 확률(PBO)은 "
        f"{_percent(pbo.probability)}, 손실일 확률은 {_percent(pbo.loss)}입니다"
        f"({pbo.splits:,}갈래, 시행 {pbo.trials:,}개, 성과 저하의 기울기 {pbo.slope:.2f})."
    )
    if alike:
        text += " 어느 것을 골라도 거의 잃지 않는, 시행들이 고루 좋은 탐색입니다."
    return Finding("pbo", TITLES["pbo"], mark, text, pbo.probability, todo)


def _out_of_sample(figures: Figures) -> Finding | None:
    scores = figures.out_of_sample
    if scores is None:
        return None
    inside, outside = scores.in_sample, scores.out_of_sample
    kept = outside / inside if inside > 0 and scores.comparable else None
    lost = inside > 0 and outside <= 0
    lost = lost or (scores.profit_pct is not None and scores.profit_pct <= 0)
    held = kept >= KEPT_GOOD if kept is not None else inside > 0 and not lost
    mark: Mark = "good" if held else "warn"
    todo = ""
    if lost and 0 < scores.days < TEST_DAYS:
        mark = "warn"
        todo = (
            f"고르는 데 쓰지 않은 기간에서 벌지 못했지만 {scores.days}일은 운과 가르기에 짧습니다. "
            f"기간을 늘려 {TEST_DAYS}일 넘게 검증하세요."
        )
    elif lost:
        mark = "bad"
        todo = "고르는 데 쓰지 않은 기간에서 벌지 못했습니다. 이 파라미터를 쓰지 마세요."
    elif inside <= 0:
        todo = "점수가 0 이하라 얼마나 남았는지 재지 않습니다. 두 점수를 견주어 보세요."
    elif mark == "warn":
        todo = "표본 밖에서 점수가 절반 넘게 줄었습니다. 기대를 그만큼 낮추세요."
    # 점수가 0에 가까우면 몫은 뜻 없이 커진다.
    share = f", 남은 몫 {kept:.0%}" if kept is not None and 0 < kept <= 2 else ""
    profit = f", 순이익 {scores.profit_pct:.1f} %" if scores.profit_pct is not None else ""
    which = "" if scores.splits == 1 else f"나눈 {scores.splits}곳의 평균으로 "
    days = f"({scores.days:,}일)" if scores.days else ""
    text = (
        f"{which}고르는 데 쓴 기간의 점수는 {inside:.2f}, 쓰지 않은 기간{days}의 점수는 {outside:.2f}"
        f"{share}{profit}입니다."
    )
    if scores.probability is not None:
        text += f" 쓰지 않은 기간만 보면 진짜 Sharpe가 0보다 클 확률은 {_percent(scores.probability)}입니다."
    if not scores.comparable:
        text += " 기간이 길수록 커지는 점수라 남은 몫은 재지 않습니다."
    return Finding("out_of_sample", TITLES["out_of_sample"], mark, text, outside, todo)


def _record(figures: Figures) -> Finding | None:
    record = figures.record
    if record is None:
        return None
    needed = record.days_needed
    enough = needed is not None and needed <= record.days
    length = "이 Sharpe로는 말할 수 없고" if needed is None else f"{_length(needed)}이 필요하고"
    text = (
        f"한 번만 시험한 것으로 쳐도, 진짜 Sharpe가 0보다 클 확률(PSR)은 {_percent(record.probability)}입니다. "
        f"95 %로 말하려면 {length} 지금은 {record.days:,}일입니다"
        f"(비대칭도 {record.skew:.2f}, 첨도 {record.kurtosis:.1f})."
    )
    todo = "" if enough else "기간을 늘려 다시 실행하세요."
    return Finding(
        "record", TITLES["record"], "good" if enough else "warn", text, record.probability, todo
    )


def _plateau(figures: Figures) -> Finding | None:
    plateau = figures.plateau
    if plateau is None:
        return None
    good = plateau.kept >= KEPT_GOOD
    which = "파라미터 하나만 한 걸음 옮긴" if plateau.stepped else "가까운"
    text = (
        f"{which} 이웃 {plateau.count}개의 점수는 최선의 {plateau.kept:.0%}(가운데 값), "
        f"가장 나쁜 이웃은 {plateau.worst:.0%}입니다."
    )
    todo = (
        "" if good else "조금만 달라져도 무너지는 외딴 봉우리입니다. 둘레까지 좋은 값을 고르세요."
    )
    return Finding(
        "plateau", TITLES["plateau"], "good" if good else "warn", text, plateau.kept, todo
    )


def _trade_order(figures: Figures) -> Finding | None:
    order = figures.trade_order
    if order is None:
        return None
    band = order.drawdown
    lucky = order.worse >= ORDER_LUCKY and band.middle > order.actual
    text = (
        f"거래 {order.trades:,}개의 차례만 섞으면 최대 낙폭은 {band.low:.1f}~{band.high:.1f} %"
        f"(90 % 구간, 가운데 {band.middle:.1f} %)이고 실제 차례는 {order.actual:.1f} %입니다."
    )
    todo = (
        f"실제의 낙폭은 운 좋은 차례의 것입니다. {band.high:.0f} %까지 견딜 수 있는지 보세요."
        if lucky
        else ""
    )
    return Finding(
        "trade_order",
        TITLES["trade_order"],
        "warn" if lucky else "good",
        text,
        band.high,
        todo,
    )


def _bootstrap(figures: Figures) -> Finding | None:
    found = figures.bootstrap
    if found is None:
        return None
    good = found.sharpe.low > 0
    text = (
        f"고른 시행의 일간 수익률(기간 전체)을 다시 뽑으면 Sharpe {found.sharpe.low:.2f}~{found.sharpe.high:.2f}, "
        f"연복리 {found.cagr_pct.low:.0f}~{found.cagr_pct.high:.0f} %, 최대 낙폭 "
        f"{found.max_drawdown_pct.low:.0f}~{found.max_drawdown_pct.high:.0f} %(90 % 구간)이고, "
        f"손실로 끝날 확률은 {_percent(found.loss)}입니다."
    )
    todo = "" if good else "구간이 0에 걸칩니다. 가장 나쁜 쪽을 견딜 돈만 쓰세요."
    return Finding(
        "bootstrap",
        TITLES["bootstrap"],
        "good" if good else "warn",
        text,
        found.sharpe.low,
        todo,
    )


def _mark(good: bool) -> Mark:
    return "good" if good else "bad"


def _length(days: float) -> str:
    """날의 수를 읽기 쉽게: 세 해부터는 해로."""
    return f"{days:,.0f}일" if days < 3 * 365 else f"{days / 365:,.0f}년"


def _percent(value: float) -> str:
    """0.1 %보다 작거나 99.9 %보다 큰 것은 그렇게 말한다."""
    if value < 0.001:
        return "0.1 % 미만"
    if value > 0.999:
        return "99.9 % 초과"
    return f"{100 * value:.1f} %"


TITLES = {
    "luck": "우연 확률",
    "deflated": "Deflated Sharpe",
    "pbo": "과최적화 확률",
    "out_of_sample": "표본 밖",
    "record": "기간",
    "plateau": "고원",
    "trade_order": "거래의 차례",
    "bootstrap": "다시 뽑기",
}
_TITLED: dict[str, Callable[[Figures], Finding | None]] = {
    "luck": _luck,
    "deflated": _deflated,
    "pbo": _pbo,
    "out_of_sample": _out_of_sample,
    "record": _record,
    "plateau": _plateau,
    "trade_order": _trade_order,
    "bootstrap": _bootstrap,
}
