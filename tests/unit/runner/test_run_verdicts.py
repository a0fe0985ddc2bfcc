"""실행의 끝의 판정: 멈추라는 신호와 쓸 수 없는 폴더가 끝난 탐색을 실패로 만들지 않는다."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from optimize.interrupt import Stopped
from optimize.protocol import Event, WarningEvent
from optimize.report import verdict as report
from optimize.runner.results import write_verdicts
from optimize.verdict.collect import StudyTrials


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, *events: Event) -> None:
        self.events += events


def cell(**changes: Any) -> Any:
    job = SimpleNamespace(
        ref=None, strategy="ma_cross", costs=None, scheme=None, others=(), markets=()
    )
    search = SimpleNamespace(job=job, objective=None, space=None, across="mean")
    return SimpleNamespace(study="s", slug="slug", search=search, **changes)


def test_a_signal_while_judging_ends_without_a_verdict(
    monkeypatch: pytest.MonkeyPatch, wizard_home: Path
) -> None:
    def stopped(*_: object) -> Any:
        raise Stopped

    monkeypatch.setattr(report, "judge_studies", stopped)
    heard: Any = Heard()
    assert write_verdicts([cell()], [StudyTrials("s", "1h")], heard) == []
    assert not (wizard_home / "studies").exists()
    assert heard.events == []


def test_unread_trials_give_no_verdict(wizard_home: Path) -> None:
    assert write_verdicts([cell()], [], Heard()) == []


def test_a_verdict_that_cannot_be_written_is_a_warning(wizard_home: Path) -> None:
    (wizard_home / "studies").write_text("폴더가 아니다")
    heard: Any = Heard()
    (verdict,) = write_verdicts([cell()], [StudyTrials("s", "1h")], heard)
    assert verdict.label == "판단 보류"
    assert [type(event) for event in heard.events] == [WarningEvent]


def test_a_strategy_that_fails_again_is_said() -> None:
    """다시 셈하다 나는 어떤 예외도 까닭이 될 뿐이다."""

    class Broken:
        def open(self) -> Any:
            raise ZeroDivisionError("나눌 수\n없음")

    bench: Any = report.Bench(Broken(), "ma_cross", None, None, None)
    best: Any = SimpleNamespace(params={}, fold=None, values=(1.0,))
    rerun, reason = report.try_rerun(bench, best)
    assert rerun is None
    assert reason == "최선을 다시 셈하지 못했습니다(ZeroDivisionError: 나눌 수 없음)"
