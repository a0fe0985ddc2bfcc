"""전략의 규약. 사용자의 파일도 이 모양이면 된다(`--strategy path/to/file.py:ClassName`).

기호: n = LTF 봉 수. 전략은 봉 i의 종가까지 아는 것만으로 봉 i의 신호를 정한다. 체결은 엔진의 일이다.
이 모듈은 numba를 들이지 않는다: 탐색 공간만 보는 명령이 가볍게 남는다.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

from optimize.strategy.parameter import Parameter
from optimize.trial import Params

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

    from optimize.data.dataset import Dataset


T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Signals:
    """봉마다의 신호와 한 시행에 걸친 청산 규칙.

    entry: int8[n]. 봉 i의 종가에서 +1 long 진입, -1 short 진입, 0 없음.
    exit_long, exit_short: bool_[n]. 봉 i의 종가에서 그 쪽 포지션을 닫으라는 신호.
        반대 진입 신호에 뒤집으려면 exit_long에 entry == -1을 넣는다.
    atr: float64[n], 호가 통화. ATR 청산을 하나라도 쓰면 있어야 한다. 봉 i의 값은 i까지의 자료다.
    stop_atr: 손절 거리, ATR의 배수. trail_atr: 따라가는 손절의 거리. target_atr: 익절 거리.
    max_bars: 진입한 봉을 1로 세어 이만큼 지나면 다음 시가에 닫는다.
    None인 규칙은 쓰지 않는다.
    """

    entry: NDArray[np.int8]
    exit_long: NDArray[np.bool_]
    exit_short: NDArray[np.bool_]
    atr: NDArray[np.float64] | None = None
    stop_atr: float | None = None
    trail_atr: float | None = None
    target_atr: float | None = None
    max_bars: int | None = None


@runtime_checkable
class Strategy(Protocol):
    """전략.

    name: 화면과 스터디에 남는 이름. parameters: 기본 탐색 공간이기도 한 파라미터의 선언.
    """

    name: str
    parameters: tuple[Parameter, ...]

    def signals(self, dataset: Dataset, params: Params) -> Signals:
        """params에는 꺼진 파라미터의 기본값까지 모두 있다. 미래의 봉을 읽지 않는다."""
        ...


_LINE = 64
_MOST_KEPT = 16


@dataclass(slots=True, eq=False)
class Workspace:
    """작업자 하나가 시행마다 다시 쓰는 배열들. 여러 thread가 함께 쓰지 않는다."""

    _arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    _kept: dict[tuple[str, int], tuple[object, Any]] = field(default_factory=dict)

    def kept(self, name: str, owner: object, make: Callable[[], T]) -> T:
        """owner(객체)에서 make로 만든 것. 앞 구간과 전체를 번갈아 돌아도 다시 만들지 않게 여럿을 쥔다."""
        found = self._kept.get((name, id(owner)))
        if found is None or found[0] is not owner:
            found = (owner, make())
            if len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[name, id(owner)] = found
        return cast("T", found[1])

    def array(self, name: str, length: int, dtype: DTypeLike) -> NDArray[Any]:
        """이름마다 하나인 길이 length의 배열. 내용은 지난 시행의 것이다(0이 아니다)."""
        import numpy as np

        found = self._arrays.get(name)
        if found is None or len(found) != length or found.dtype != dtype:
            found = np.empty(length, dtype=dtype)
            self._arrays[name] = found
        return found

    def rows(self, name: str, count: int, length: int, dtype: DTypeLike) -> NDArray[Any]:
        """이름마다 하나인 [count, length] 배열. 가장 컸던 자리를 다시 쓴다. 내용은 지난 시행의 것이다.

        첫 원소는 cache line(64바이트)에 맞춘다: 어긋나면 SIMD가 읽고 쓸 때마다 두 줄에 걸친다.
        """
        import numpy as np

        item = np.dtype(dtype).itemsize
        found = self._arrays.get(name)
        if found is None or len(found) < count * length or found.dtype != dtype:
            room = np.empty(count * length + _LINE // item, dtype=dtype)
            found = room[-room.ctypes.data % _LINE // item :]
            self._arrays[name] = found
        return found[: count * length].reshape(count, length)


@runtime_checkable
class WorkspaceStrategy(Strategy, Protocol):
    """배열을 새로 만들지 않고 workspace에 신호를 쓸 수 있는 전략(선택)."""

    def signals_into(self, dataset: Dataset, params: Params, workspace: Workspace) -> Signals:
        """signals와 같은 값. 돌려준 배열은 같은 workspace로 다시 부르면 덮인다."""
        ...


@runtime_checkable
class BatchStrategy(WorkspaceStrategy, Protocol):
    """여러 조합의 신호를 자료를 한 번 훑으며 만들 수 있는 전략(선택)."""

    def signals_batch(
        self, dataset: Dataset, batch: Sequence[Params], workspace: Workspace
    ) -> list[Signals]:
        """조합마다 signals와 비트까지 같은 값. 돌려준 배열은 같은 workspace로 다시 부르면 덮인다."""
        ...
