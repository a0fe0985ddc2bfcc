"""내장 전략들이 신호를 쓰는 배열. 기호: T = 함께 도는 시행, n = LTF 봉 수."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimize.strategy.protocol import Signals, Workspace
from optimize.trial import Params

if TYPE_CHECKING:
    from typing import Self

    from optimize.data.dataset import Dataset


_CHUNK = 2048


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


def fill_together(
    dataset: Dataset,
    batch: Sequence[Params],
    workspace: Workspace,
    config: Callable[[Params, int, int], list[int]],
    kernel: Callable[..., None],
    scratch_length: Callable[[NDArray[np.int64], int], int],
) -> SignalArrays:
    """묶음의 kernel을 한 번 돌려 신호를 채운다.

    config: (파라미터, HTF 추세의 줄 번호 또는 -1, 신호의 줄 번호) → kernel의 int64 한 줄.
    kernel: (고가, 저가, 종가, 추세, htf_index, configs, 토막, 임시 자리, 네 출력)을 받는다.
    scratch_length: (configs, 토막) → 임시 자리의 길이.
    """
    from optimize.strategy.htf_nb import trend_filters

    lengths = [int(params["htf_len"]) if params["use_htf"] else None for params in batch]
    trends, index, filters = trend_filters(dataset, lengths)
    configs = np.array(
        [config(params, filters[row], row) for row, params in enumerate(batch)], dtype=np.int64
    )
    chunk = max(_CHUNK, (int(configs.max()) + 16) // 8 * 8)  # 가장 긴 창보다 길게
    arrays = SignalArrays.of(workspace, len(batch), len(dataset.ltf))
    kernel(
        dataset.ltf.high,
        dataset.ltf.low,
        dataset.ltf.close,
        trends,
        index,
        configs,
        chunk,
        workspace.rows("scratch", 1, scratch_length(configs, chunk), np.float64)[0],
        arrays.entry,
        arrays.exit_long,
        arrays.exit_short,
        arrays.atr,
    )
    return arrays
