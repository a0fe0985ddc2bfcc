"""시행마다의 점수를 점으로, 그때까지의 최고를 선으로 그린다.

점자(U+2800…28FF)는 East Asian Width가 Neutral이라 어느 단말기에서나 한 칸이다.
한 칸에 점이 가로 둘, 세로 넷이다.
"""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from tui.cells import cut, fit
from tui.run_model import RunModel
from tui.text import run as ko
from tui.widgets.run_panel import score_text

_LABEL = 9
_SAMPLES = 4000
_FLOOR_SHARE = 0.05
# 점자에서 (가로 0·1, 세로 0…3)의 점이 차지하는 비트.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_INFEASIBLE, _FEASIBLE, _BEST = range(3)


class Canvas:
    """점을 찍는 판. 칸마다 가장 센 층의 색을 갖는다. 왼쪽 위가 (0, 0)이다."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width * 2, height * 4
        self._bits = [[0] * width for _ in range(height)]
        self._layers = [[-1] * width for _ in range(height)]

    def dot(self, x: int, y: int, layer: int) -> None:
        """점 하나."""
        column, row = x // 2, y // 4
        self._bits[row][column] |= _DOTS[x % 2][y % 4]
        self._layers[row][column] = max(self._layers[row][column], layer)

    def row(self, index: int) -> list[tuple[str, int]]:
        """한 줄의 (글자들, 층)들: 층이 같은 이웃은 한 덩이다. 빈 칸은 빈칸이고 층은 -1이다."""
        runs: list[tuple[str, int]] = []
        for bits, layer in zip(self._bits[index], self._layers[index], strict=True):
            glyph = chr(0x2800 + bits) if bits else " "
            if runs and runs[-1][1] == layer:
                runs[-1] = (runs[-1][0] + glyph, layer)
            else:
                runs.append((glyph, layer))
        return runs


class BestSoFar:
    """시행 차례의 '그때까지의 최고'. 새 시행만 본다."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, float]] = []
        self._seen = 0

    def update(self, model: RunModel) -> None:
        """아직 보지 않은 시행들을 본다."""
        for row in range(self._seen, len(model.trials)):
            trial = model.trials[row]
            if trial.score is None or not trial.feasible:
                continue
            best = self.steps[-1][1] if self.steps else None
            if best is None or (trial.score < best if model.minimize else trial.score > best):
                self.steps.append((row, trial.score))
        self._seen = len(model.trials)


class ScorePlot(Widget):
    """가로는 끝난 차례, 세로는 점수."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "score-plot--title",
        "score-plot--axis",
        "score-plot--infeasible",
        "score-plot--feasible",
        "score-plot--best",
    }

    def __init__(self, model: RunModel) -> None:
        super().__init__()
        self.model = model
        self._best = BestSoFar()
        self._painted = -1
        self._strips: list[Strip] = []
        self._drawn = Size(0, 0)

    def update(self) -> None:
        """시행이 늘었으면 다시 그린다."""
        if len(self.model.trials) != self._painted:
            self._painted = len(self.model.trials)
            self._strips = []
            self.refresh()

    def on_resize(self) -> None:
        self._strips = []
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = []

    def render_line(self, y: int) -> Strip:
        if not self._strips or self._drawn != self.size:
            # 크기가 바뀌었다는 알림보다 그리기가 먼저 오기도 한다.
            self._drawn = self.size
            self._strips = self._paint(*self.size)
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    def _paint(self, width: int, height: int) -> list[Strip]:
        """모든 줄: 제목, 그림, 가로축."""
        self._best.update(self.model)
        points = self._points()
        lines = [[Segment(cut(self._title(width), width), self._style("title"))]]
        if not points or width < _LABEL + 8 or height < 4:
            lines.append([Segment(cut(ko.PLOT_EMPTY, width), self._style("axis"))])
            return [self._strip(line, width) for line in lines]
        low, high = _bounds([score for _, score, _ in points], self.model.minimize)
        canvas = Canvas(width - _LABEL - 1, height - 2)
        self._draw(canvas, points, low, high)
        labels = {0: score_text(high), height - 3: score_text(low)}
        for index in range(height - 2):
            label = fit(labels.get(index, ""), _LABEL, "right") + " "
            line = [Segment(label, self._style("axis"))]
            line += [Segment(text, self._layer_style(layer)) for text, layer in canvas.row(index)]
            lines.append(line)
        last = ko.PLOT_LAST.format(n=len(self.model.trials))
        room = width - _LABEL - 1 - cell_len(ko.PLOT_FIRST)
        axis = " " * (_LABEL + 1) + ko.PLOT_FIRST + fit(last, max(0, room), "right")
        lines.append([Segment(cut(axis, width), self._style("axis"))])
        return [self._strip(line, width) for line in lines]

    def _strip(self, line: list[Segment], width: int) -> Strip:
        base = self.rich_style
        strip = Strip([Segment(text, base + style) for text, style, _ in line if style])
        return strip.adjust_cell_length(width, base)

    def _title(self, width: int) -> str:
        """제목과 최고. 바닥의 뜻은 자리가 있을 때만."""
        parts = [ko.PLOT_TITLE]
        if self._best.steps:
            parts.append(ko.PLOT_BEST.format(score=score_text(self._best.steps[-1][1])))
        edge = ko.PLOT_CEILING if self.model.minimize else ko.PLOT_FLOOR
        whole = "   ".join([*parts, edge])
        return whole if cell_len(whole) <= width else "   ".join(parts)

    def _points(self) -> list[tuple[int, float, bool]]:
        """(줄 번호, 점수, 조건을 지켰나). 많으면 고르게 덜어 낸다."""
        trials = self.model.trials
        step = max(1, len(trials) // _SAMPLES)
        rows = (*range(0, len(trials), step), *(row for row, _ in self._best.steps))
        return [
            (row, score, trials[row].feasible)
            for row in rows
            if (score := trials[row].score) is not None
        ]

    def _draw(
        self, canvas: Canvas, points: list[tuple[int, float, bool]], low: float, high: float
    ) -> None:
        last = max(1, len(self.model.trials) - 1)
        span = (high - low) or 1.0

        def x_of(row: int) -> int:
            return min(canvas.width - 1, row * (canvas.width - 1) // last)

        def y_of(score: float) -> int:
            share = min(1.0, max(0.0, (score - low) / span))
            return round((1 - share) * (canvas.height - 1))

        for row, score, feasible in points:
            canvas.dot(x_of(row), y_of(score), _FEASIBLE if feasible else _INFEASIBLE)
        steps = self._best.steps
        for index, (row, score) in enumerate(steps):
            end = steps[index + 1][0] if index + 1 < len(steps) else last
            y = y_of(score)
            for x in range(x_of(row), x_of(end) + 1):
                canvas.dot(x, y, _BEST)
            if index + 1 < len(steps):
                following = y_of(steps[index + 1][1])
                for between in range(min(y, following), max(y, following)):
                    canvas.dot(x_of(end), between, _BEST)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"score-plot--{name}")

    def _layer_style(self, layer: int) -> Style:
        names = {_INFEASIBLE: "infeasible", _FEASIBLE: "feasible", _BEST: "best"}
        return self._style(names[layer]) if layer in names else self.rich_style


def _bounds(scores: list[float], minimize: bool) -> tuple[float, float]:
    """그릴 점수의 범위: 나쁜 쪽의 5%는 가장자리에 모은다(몇 개의 큰 손실이 그림을 누르지 않게)."""
    ordered = sorted(scores)
    skip = int(len(ordered) * _FLOOR_SHARE)
    low, high = ordered[0 if minimize else skip], ordered[-1 - skip if minimize else -1]
    return low, high
