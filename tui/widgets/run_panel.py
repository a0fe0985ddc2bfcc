"""실행 화면의 위쪽: 칸마다 진행 막대, 속도, 남은 시간, 최고 점수."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

from tui.cells import fit, plain
from tui.run_model import RunModel, StudyState
from tui.text import run as ko

# (이 너비 이상이면, 막대의 칸 수).
_BARS = ((90, 20), (70, 10), (0, 5))
_NARROW, _TIGHT = 90, 70
_COUNT, _BEST = 13, 12
# (창의 높이가 이 이상이면, 이만큼의 줄까지). 낮은 창에서는 시행의 표가 먼저다.
_LINES = ((30, 6), (20, 4), (0, 1))


def duration_text(seconds: float) -> str:
    """초를 '42초', '3분 05초', '2시간 10분'으로."""
    total = max(0, round(seconds))
    if total < 60:
        return ko.SECONDS.format(s=total)
    if total < 3600:
        return ko.MINUTES.format(m=total // 60, s=total % 60)
    return ko.HOURS.format(h=total // 3600, m=total % 3600 // 60)


def score_text(value: float | None) -> str:
    """점수, 없으면 '-'."""
    return "-" if value is None else f"{value + 0.0:.4g}"  # -0을 0으로


class RunPanel(Widget):
    """칸마다 한 줄. 막대의 길이는 바탕색으로, 값은 글로도 보인다(색이 없어도 읽힌다)."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "run-panel--cell",
        "run-panel--bar",
        "run-panel--rest",
        "run-panel--text",
        "run-panel--muted",
        "run-panel--best",
    }

    def __init__(self, model: RunModel) -> None:
        super().__init__()
        self.model = model

    def render(self) -> Text:
        if not self.model.studies:
            return Text(self._preparing(), self.get_component_rich_style("run-panel--muted"))
        return Text("\n").join(self._line(study) for study in self._shown(self.size.height))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        most = next(lines for height, lines in _LINES if viewport.height >= height)
        return max(1, min(most, len(self.model.studies)))

    def _shown(self, lines: int) -> list[StudyState]:
        """칸마다, 자리가 모자라면 모두를 더한 것과 아직 도는 칸부터."""
        studies = self.model.studies
        if len(studies) <= lines:
            return studies
        running_first = sorted(studies, key=lambda study: study.done >= study.target)
        return [self.model.together, *running_first[: lines - 1]]

    def _preparing(self) -> str:
        event = self.model.preparing
        if self.model.is_over:
            return ""
        if event is None:
            return ko.PREPARING
        template = ko.DATA_PROGRESS if event.total else ko.DATA_PROGRESS_OPEN
        return plain(template.format(label=event.label, done=event.done, total=event.total))

    def _warming(self, room: int) -> str:
        """시행에 앞서 커널을 컴파일하고 있으면 그 말, 아니면 빈 글. 좁으면 괄호의 것을, 더 좁으면 앞말을 뺀다."""
        event = self.model.preparing
        if event is None or event.done >= (event.total or 1) or self.model.is_over:
            return ""
        label = plain(event.label)
        short = label.partition(" (")[0]
        wordings = (label, short, short.rpartition(" ")[2])
        return next((words for words in wordings if cell_len(words) <= room), "")

    def _line(self, study: StudyState) -> Text:
        style = self.get_component_rich_style
        share = min(1.0, study.done / study.target) if study.target else 0.0
        whole = self.content_size.width
        width = next(cells for least, cells in _BARS if whole >= least)
        filled = round(share * width)
        label = f"{share:>4.0%} "
        bar = fit(label, width, "right")
        line = Text(no_wrap=True, end="")
        name = plain(study.cell) or ko.ALL_CELLS.format(n=len(self.model.studies))
        line.append(fit(name, 9), style("run-panel--cell"))
        line.append(bar[:filled], style("run-panel--bar"))
        line.append(bar[filled:], style("run-panel--rest"))
        count = ko.CELL_LINE.format(done=study.done, target=study.target)
        size = _COUNT if whole >= _NARROW else self._count_width
        line.append(f"  {fit(count, size, 'right')}", style("run-panel--text"))
        best = ko.BEST.format(score=score_text(study.best_value))
        best = fit(best, _BEST) if whole >= _TIGHT else best
        line.append(f"  {best}", style("run-panel--best"))
        notes = []
        room = max(0, whole - line.cell_len)
        if study.done < study.target and (warming := self._warming(room - 2)):
            notes = [warming]
        elif study.done < study.target and self.model.quiet_s and not self.model.is_over:
            # 저장소를 기다리거나 멈춰 있다: 앞서 알린 속도와 남은 시간은 이제 맞지 않는다.
            notes = [ko.QUIET.format(time=duration_text(self.model.quiet_s))]
        elif study.done < study.target and not self.model.is_over:
            notes = [ko.RATE.format(rate=study.rate)] if study.rate else []
            if study.eta_s is not None:
                words = ko.ETA if whole >= _NARROW else ko.ETA_SHORT
                notes.append(words.format(eta=duration_text(study.eta_s)))
        elif not self.model.is_over and all(one.done >= one.target for one in self.model.studies):
            notes = [ko.FINISHING]
        # 다 들어가지 않으면 앞의 것(속도)부터 뺀다.
        while notes and cell_len("  " + "  ".join(notes)) > room:
            notes.pop(0)
        line.append("".join(f"  {note}" for note in notes), style("run-panel--muted"))
        return line

    @property
    def _count_width(self) -> int:
        """좁은 창에서 시행 수의 칸 수: 목표가 다 들어갈 만큼."""
        studies = (self.model.together, *self.model.studies)
        return max(len(ko.CELL_LINE.format(done=one.target, target=one.target)) for one in studies)
