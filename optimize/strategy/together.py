"""여러 조합을 함께 셈하는 내장 전략의 바탕."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optimize.strategy.protocol import Signals, Workspace
from optimize.trial import Params

if TYPE_CHECKING:
    from optimize.data.dataset import Dataset


class Together(ABC):
    """조합 하나의 신호는 하나짜리 묶음이다: 셈하는 길이 하나뿐이라 함께 돈 것과 비트까지 같다."""

    def signals(self, dataset: Dataset, params: Params) -> Signals:
        """새 배열에 신호를 만든다."""
        return self.signals_into(dataset, params, Workspace())

    def signals_into(self, dataset: Dataset, params: Params, workspace: Workspace) -> Signals:
        """workspace의 배열에 신호를 쓴다. 같은 workspace로 다시 부르면 덮인다."""
        return self.signals_batch(dataset, [params], workspace)[0]

    @abstractmethod
    def signals_batch(
        self, dataset: Dataset, batch: Sequence[Params], workspace: Workspace
    ) -> list[Signals]:
        """여러 조합의 신호를 자료를 한 번 훑으며 만든다. 값은 signals_into와 비트까지 같다."""
