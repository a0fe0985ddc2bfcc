"""LTF × HTF의 칸마다 최고 점수. 값은 글로도 보이고 바탕의 밝기는 순위를 거든다."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from tui.cells import cut, fit
from tui.run_model import RunModel
from tui.text import run as ko
from tui.widgets.run_panel import score_text

_SIZE = 9
_LEVELS = 3


class CellMatrix(Widget):
    """칸이 둘 이상일 때만 보인다."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "cell-matrix--title",
        "cell-matrix--label",
        "cell-matrix--none",
        *(f"cell-matrix--level-{level}" for level in range(_LEVELS)),
        "cell-matrix--best",
    }

    def __init__(self, model: RunModel) -> None:
        super().__init__()
        self.model = model
        self._painted: tuple[tuple[str, float | None], ...] = ()
        self.display = False

    def update(self) -> None:
        """점수가 바뀌었으면 다시 그린다."""
        now = tuple((study.cell, study.best_value) for study in self.model.studies)
        if now != self._painted:
            self._painted = now
            self.display = len(now) >= 2
            self.refresh(layout=True)

    def get_content_width(self, container: object, viewport: object) -> int:
        _, columns = self._axes()
        return max((1 + len(columns)) * _SIZE, 20)

    def render(self) -> Text:
        rows, columns = self._axes()
        values = dict(self._painted)
        ranked = sorted(
            {v for v in values.values() if v is not None}, reverse=not self.model.minimize
        )
        lines = [Text(cut(ko.MATRIX_TITLE, self.content_size.width), self._style("title"))]
        head = [ko.MATRIX_CORNER, *(column or ko.MATRIX_NONE for column in columns)]
        lines.append(
            Text("".join(fit(item, _SIZE, "center") for item in head), self._style("label"))
        )
        for row in rows:
            line = Text(fit(row, _SIZE, "center"), self._style("label"), end="")
            for column in columns:
                name = f"{row}@{column}" if column else row
                value = values.get(name)
                text = "" if name not in values else score_text(value)
                line.append(fit(text, _SIZE, "center"), self._value_style(value, ranked))
            lines.append(line)
        return Text("\n", no_wrap=True).join(lines)

    def _axes(self) -> tuple[list[str], list[str]]:
        """(LTF들, HTF들)을 격자에 나온 차례로. HTF가 없으면 빈 글이다."""
        pairs = [cell.partition("@") for cell, _ in self._painted]
        return list(dict.fromkeys(p[0] for p in pairs)), list(dict.fromkeys(p[2] for p in pairs))

    def _value_style(self, value: float | None, ranked: list[float]) -> Style:
        if value is None:
            return self._style("none")
        place = ranked.index(value)
        if place == 0:
            return self._style("best")
        return self._style(f"level-{max(0, _LEVELS - 1 - place * _LEVELS // len(ranked))}")

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"cell-matrix--{name}")
