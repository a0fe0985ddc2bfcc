"""시행 하나의 속을 글로: 점수, 지표, 파라미터."""

from __future__ import annotations

from rich.text import Text

from tui import bridge
from tui.cells import fit, plain
from tui.text import run as ko
from tui.widgets.run_panel import score_text

_NAME_WIDTH = 20


def card_text(event: bridge.TrialEvent | None, cell: str, earlier: float | None = None) -> Text:
    """최고 시행의 카드. 없으면 그렇다고 말한다. earlier: 앞선 실행이 찾은, 아직 넘지 못한 최고 점수."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{ko.BEST_TITLE}\n", "bold")
    if event is None:
        text.append(
            ko.NO_BEST if earlier is None else ko.EARLIER_BEST.format(score=score_text(earlier))
        )
        text.no_wrap = False
        return text
    if earlier is not None:
        text.append(f"{ko.EARLIER_SHORT.format(score=score_text(earlier))}\n")
    text.append(f"{trial_title(event.number, cell)}\n\n")
    text.append_text(trial_text(event))
    return text


def trial_title(number: int, cell: str) -> str:
    """`시행 12 (1m@15m)`. 칸을 모르면(다른 도구의 스터디) 번호만."""
    words = ko.TRIAL_TITLE if cell else ko.TRIAL_TITLE_ALONE
    return plain(words.format(number=f"{number:,}", cell=cell))


def trial_text(event: bridge.TrialEvent) -> Text:
    """지표와 파라미터의 두 묶음."""
    text = Text(no_wrap=True, overflow="ellipsis")
    if event.error:
        text.append(f"{plain(event.error)}\n\n")
    score = "-" if event.score is None else f"{event.score:,.4f}"
    text.append(_pair(ko.COLUMNS[3], score), "bold")
    for label, value in (
        (ko.IN_SAMPLE, event.in_sample_score),
        (ko.OUT_OF_SAMPLE, event.out_of_sample_score),
    ):
        if value is not None:
            text.append(_pair(label, f"{value:,.4f}"), "bold")
    if event.fold is not None:
        text.append(_pair(ko.FOLD[0], ko.FOLD[1].format(n=event.fold + 1)))
    labels = bridge.metric_labels()
    for name, metric in event.metrics.items():
        label, unit = labels.get(name, (name, ""))
        digits = 0 if unit == ko.COUNT_UNIT else 2
        text.append(_pair(label, f"{metric:,.{digits}f}{unit and ' ' + unit}"))
    text.append(f"\n{ko.PARAMS_TITLE}\n", "bold")
    for name, setting in event.params.items():
        text.append(_pair(name, value_text(setting)))
    text.rstrip()
    return text


def value_text(value: object) -> str:
    """파라미터 값의 글: 켬/끔, 수는 군더더기 없이."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.10g}"
    return plain(str(value))


def params_yaml(event: bridge.TrialEvent) -> str:
    """`strategy.space`에 그대로 붙일 수 있는 YAML."""
    return "".join(f"{name}: {value_text(value)}\n" for name, value in event.params.items())


def _pair(name: str, value: str) -> str:
    return f"{fit(plain(name), _NAME_WIDTH)} {value}\n"
