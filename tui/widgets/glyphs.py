"""두 칸짜리 글자를 가르지 않는 그리기.

Textual은 한 줄을 모든 위젯의 경계에서 자르고, 바뀐 칸까지만 다시 그린다. 그 경계가 한글 한 글자의 가운데를
지나면 글자가 빈칸이 된다. 알림과 풀이는 아래 위젯들의 경계를 넘어 놓이므로 그 속에서는 자르지 않고, 바뀐
자리는 그 토막의 끝까지 그린다.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets._toast import Toast
from textual.widgets._tooltip import Tooltip


class GlyphCompositor(Compositor):
    """`Screen`의 compositor를 대신한다."""

    @property
    def cuts(self) -> list[list[int]]:
        """줄마다 자를 자리. 알림과 풀이의 속은 뺀다."""
        is_known = self._cuts is not None
        cuts = super().cuts
        if not is_known:
            for widget, (region, clip) in self.visible_widgets.items():
                if isinstance(widget, (Toast, Tooltip)):
                    x, y, width, height = region.intersection(clip)
                    for row in range(y, y + height):
                        cuts[row] = [cut for cut in cuts[row] if not x < cut < x + width]
        return cuts

    def _render_chops(
        self, crop: Region, is_rendered_line: Callable[[int], bool]
    ) -> Sequence[Mapping[int, Strip]]:
        """줄마다 토막의 자리 → 토막. 앞의 위젯이 먼저 차지한다. 위젯의 끝이 자를 자리가 아닐 수 있다."""
        cuts = self.cuts
        lines: list[dict[int, Strip | None]] = [dict.fromkeys(line[:-1]) for line in cuts]
        for region, clip, strips in self._get_renders(crop):
            visible = region.intersection(clip)
            first, last = visible.column_span
            for y, strip in zip(visible.line_range, strips, strict=False):
                if not is_rendered_line(y):
                    continue
                inner = [cut for cut in cuts[y] if first < cut < last]
                pieces = strip.divide([cut - first for cut in (*inner, last)])
                for place, piece in zip((first, *inner), pieces, strict=False):
                    if lines[y].get(place, piece) is None:
                        lines[y][place] = piece
        return lines  # type: ignore[return-value] # Textual의 것과 같다: 그리지 않은 토막은 None이다

    def render_partial_update(self) -> ChopsUpdate | None:
        """바뀐 자리가 든 토막을 그 끝까지 그린다."""
        update = super().render_partial_update()
        if update is not None:
            ends = update.chop_ends
            update.spans = [
                (y, left, next((end for end in ends[y] if end >= right), right))
                for y, left, right in update.spans
            ]
        return update
