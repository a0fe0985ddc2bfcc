"""내장 전략들이 신호를 쓰는 배열. 기호: T = 함께 도는 시행, n = LTF 봉 수."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.protocol import Signals, Workspace

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, slots=True, eq=False)
class SignalArrays:
    """entry: int8[T, n]. exit_long, exit_short: bool_[T, n]. atr: float64[T, n]. 내용은 지난 시행의 것이다."""

    entry: NDArray[np.int8]
    exit_long: NDArray[np.bool_]
    exit_short: NDArray[np.bool_]
    atr: NDArray[np.float64]

    @classmethod
    def of(cls, workspace: Workspace, count: int, bars: int) -> Self:
        """workspace의 것. 다시 부르면 같은 자리다."""
        return cls(
            workspace.rows("entry", count, bars, np.int8),
            workspace.rows("exit_long", count, bars, np.bool_),
            workspace.rows("exit_short", count, bars, np.bool_),
            workspace.rows("atr", count, bars, np.float64),
        )

    def signals(
        self,
        row: int,
        *,
        stop_atr: float | None = None,
        trail_atr: float | None = None,
        target_atr: float | None = None,
        max_bars: int | None = None,
        has_atr: bool = True,
    ) -> Signals:
        """시행 row의 신호. has_atr: ATR을 채웠는가."""
        return Signals(
            entry=self.entry[row],
            exit_long=self.exit_long[row],
            exit_short=self.exit_short[row],
            atr=self.atr[row] if has_atr else None,
            stop_atr=stop_atr,
            trail_atr=trail_atr,
            target_atr=target_atr,
            max_bars=max_bars,
        )
