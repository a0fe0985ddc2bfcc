"""판정: 잣대들의 표시에서 한마디를 정하고, 사람과 기계가 읽는 꼴로 만든다.

- 과최적화 의심: 나쁨(bad)이 하나라도 있다(학습만 보는 잣대만 나쁘고 표본 밖에서 95 % 넘게 확실히 벌었으면 보류다). 곧 우연 확률이 5 %보다 크거나, PBO가 50 % 이상이면서 표본 밖의 손실
  확률이 25 % 이상이거나, 표본 안에서는 벌고 표본 밖에서는 벌지 못했다.
- 뚜렷한 징후 없음: 우연 확률과 PBO를 셈했고 모든 잣대가 좋음(good)이거나 셈하지 못한 보조 잣대다.
- 판단 보류: 그 밖의 모두. 자료가 모자라거나 잣대들이 엇갈린다. 최선조차 벌지 못했으면 따질 것이 없어 보류다.

모든 시행의 진짜 Sharpe가 0인 잡음은 우연 확률이 [0, 1]에서 고르므로 95 %가 과최적화 의심을 받는다.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal

from optimize.verdict.cscv import MIN_TRIALS
from optimize.verdict.figures import Figures
from optimize.verdict.findings import TEST_SURE, TITLES, Finding, findings_of

Level = Literal["suspect", "unclear", "clear"]
LABELS: dict[Level, str] = {
    "suspect": "과최적화 의심",
    "unclear": "판단 보류",
    "clear": "뚜렷한 징후 없음",
}
VERSION = 1
_REQUIRED = ("luck", "pbo")
# 고르는 데 쓴 기간만 보는 잣대.
_INSIDE = {TITLES["luck"], TITLES["pbo"]}
_MARKS = {"good": "○", "warn": "△", "bad": "✕", "unknown": "－"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """한 스터디의 판정. headline: 까닭을 담은 한 문장. notes: 덧붙일 사실들."""

    level: Level
    headline: str
    findings: tuple[Finding, ...]
    figures: Figures
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """`과최적화 의심` 따위."""
        return LABELS[self.level]

    def as_json(self) -> dict[str, Any]:
        """`--json`과 verdict.json의 꼴(docs/verdict.md). 유한하지 않은 수는 null이다."""
        body: dict[str, Any] = {
            "type": "verdict",
            "version": VERSION,
            "study": self.figures.study,
            "cell": self.figures.cell,
            "level": self.level,
            "label": self.label,
            "headline": self.headline,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": list(self.notes),
            "figures": asdict(self.figures),
        }
        return dict(_plain(body))

    def lines(self, *, brief: bool = False) -> list[str]:
        """사람이 읽는 줄들: 한마디, 잣대마다 한 줄과 다음에 할 일. brief면 나쁜 잣대만."""
        found = [f"{self.figures.study}: {self.label}. {self.headline}"]
        for finding in self.findings:
            if brief and finding.mark != "bad":
                continue
            found.append(f"  {_MARKS[finding.mark]} {finding.title}: {finding.text}")
            if finding.todo:
                found.append(f"      → {finding.todo}")
        found += [f"  참고: {note}" for note in self.notes]
        return found


def judge(figures: Figures, notes: Sequence[str] = ()) -> Verdict:
    """숫자들의 판정."""
    findings = tuple(findings_of(figures))
    level, headline = _decide(figures, findings)
    return Verdict(level, headline, findings, figures, (*notes, *_cautions(figures)))


def _cautions(figures: Figures) -> list[str]:
    """숫자가 모르는 찾기를 알린다."""
    if 0 < figures.tried < MIN_TRIALS:
        return [
            f"시행 {figures.tried}개만 셌습니다. 이 값을 다른 스터디에서 찾아 옮겼다면 그 스터디의 판정을 보세요"
        ]
    return []


def _decide(figures: Figures, findings: Sequence[Finding]) -> tuple[Level, str]:
    if "best" in figures.missing:
        return "unclear", f"{figures.missing['best']}."
    if figures.record is not None and figures.record.sharpe <= 0:
        return "unclear", "최선의 시행도 이 기간에 벌지 못해 과최적화를 따질 것이 없습니다."
    bad = [finding.title for finding in findings if finding.mark == "bad"]
    if bad and set(bad) <= _INSIDE and _sure_outside(figures):
        return "unclear", (
            f"고르는 데 쓴 기간만 보면 의심스럽지만({_listed(bad)}), 쓰지 않은 기간에서는 운으로 보기 어렵게 벌었습니다."
        )
    if bad:
        return "suspect", f"문턱을 넘은 잣대: {_listed(bad)}."
    marks = {finding.key: finding.mark for finding in findings}
    lacking = [f.title for f in findings if f.key in _REQUIRED and marks[f.key] == "unknown"]
    if lacking:
        return "unclear", f"셈할 자료가 없는 잣대: {_listed(lacking)}."
    warned = [finding.title for finding in findings if finding.mark == "warn"]
    if warned:
        return "unclear", f"나쁜 징후는 없지만 넉넉하지 않은 잣대: {_listed(warned)}."
    return "clear", "찾은 횟수를 셈에 넣어도 운으로 보기 어렵습니다."


def _sure_outside(figures: Figures) -> bool:
    """표본 밖의 성적만으로 진짜 Sharpe가 0보다 크다고 말할 수 있는가."""
    outside = figures.out_of_sample
    return outside is not None and (outside.probability or 0.0) >= TEST_SURE


def _listed(titles: Sequence[str]) -> str:
    return ", ".join(titles)


def _plain(value: Any) -> Any:
    """JSON에 담을 수 있는 값으로."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
