"""시행의 표와 그림의 자리: 모자라면 그림이 물러나 표의 줄이 남는다."""

from __future__ import annotations

from textual.containers import Vertical

# 표의 머리와 다섯 줄, 그림의 제목과 축과 네 줄.
_TABLE_ROWS, _PLOT_ROWS = 6, 6


class TrialArea(Vertical):
    """위에 표, 아래에 그림. 둘 다 쓸모 있게 놓을 수 없으면 표만 둔다."""

    @property
    def is_cramped(self) -> bool:
        """그림까지 둘 자리가 없는가."""
        return self.size.height < _TABLE_ROWS + _PLOT_ROWS

    def on_resize(self) -> None:
        self.set_class(self.is_cramped, "-cramped")
