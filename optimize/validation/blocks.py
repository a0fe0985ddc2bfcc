"""시행 하나의 일간 수익률을 줄인 글: 이어진 날들의 블록마다 합과 제곱의 합.

시행이 수만 개라도 저장할 만한 크기(시행마다 많아야 535자)이면서, 블록들의 어떤 합집합에서도 평균·분산·
Sharpe를, 시행들 사이에서는 상관을 셈할 수 있다(CSCV, 유효 시행 수). 비대칭도와 첨도는 구간 전체의 것만 담는다.

기호: d = 날 수(UTC), B = 블록 수.
- 블록 수: d가 16 이상이면 16의 배수 가운데 d와 48을 넘지 않는 가장 큰 것, 16보다 적으면 하루가 한 블록이다.
- 블록 i의 날: ⌊i·d/B⌋ 이상 ⌊(i+1)·d/B⌋ 미만. 16조각으로 다시 묶어도 경계가 같다.
- 꼴: 판의 숫자 '1' 뒤에 base64(little-endian: uint32 d, float32 비대칭도, float32 첨도, float32[B] 합, float32[B] 제곱합).

날마다의 수익률이 같은 기간의 것인지는 이 글이 모른다: 같은 d라도 기간이 다르면 견줄 수 없다.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GROUPS = 16
MAX_BLOCKS = 48
_VERSION = "1"
_HEAD = struct.Struct("<Iff")
# 분산이 제곱 평균의 이 비율보다 작으면 float32로 줄일 때의 찌꺼기다.
_ROUNDING = 1e-6
# 분산이 이보다 작으면 움직이지 않은 것이다(그 제곱까지 float64에 든다).
_TINY = 1e-150


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """푼 블록들. sums, squares, counts: float64[B] (합, 제곱의 합, 날 수).

    days: 날 수. skew: 구간 전체 일간 수익률의 비대칭도. kurtosis: 첨도(정규분포가 3). 변하지 않는
    수익률은 0과 3이다. 둘은 모집단 적률(1/d)로 잰다.
    """

    days: int
    skew: float
    kurtosis: float
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]

    @property
    def counts(self) -> NDArray[np.float64]:
        """float64[B], 블록마다의 날 수."""
        return block_counts(self.days)

    def sharpe(self) -> float:
        """구간 전체의 일간 Sharpe(연율로 늘리지 않은 것, 무위험 0, 표준편차는 d-1)."""
        return float(sharpe_of(self.sums.sum(), self.squares.sum(), float(self.days)))


def encode_blocks(daily_returns: NDArray[np.float64]) -> str:
    """일간 수익률 float64[d](0.01 = 1 %)의 블록을 글로. d가 0이면 빈 글.

    ValueError: 유한하지 않거나 제곱이 float32를 넘는 수익률이 있다.
    """
    days = len(daily_returns)
    if days == 0:
        return ""
    edges, count = _layout(days)
    body = np.empty(2 * count, dtype="<f4")
    squared = daily_returns * daily_returns
    body[:count] = np.add.reduceat(daily_returns, edges)
    squares = np.add.reduceat(squared, edges)
    # 합은 제곱의 합보다 먼저 넘치지 않는다.
    if not float(squares.max()) < 1e38:
        raise ValueError("일간 수익률이 유한하지 않거나 너무 큽니다")
    body[count:] = squares
    skew, kurtosis = _shape(daily_returns)
    raw = _HEAD.pack(days, skew, kurtosis) + body.tobytes()
    return _VERSION + binascii.b2a_base64(raw, newline=False).decode("ascii")


def decode_blocks(text: str) -> Blocks:
    """`encode_blocks`의 글을 푼다. ValueError: 비었거나 꼴이 다르다."""
    if not text.startswith(_VERSION):
        raise ValueError("블록의 글이 아닙니다")
    raw = base64.b64decode(text[1:], validate=True)
    if len(raw) < _HEAD.size:
        raise ValueError("블록의 글이 짧습니다")
    days, skew, kurtosis = _HEAD.unpack_from(raw)
    count = block_count(days)
    if days == 0 or len(raw) != _HEAD.size + 8 * count:
        raise ValueError("블록의 글의 길이가 날 수와 맞지 않습니다")
    body = np.frombuffer(raw, dtype="<f4", offset=_HEAD.size).astype(np.float64)
    return Blocks(days, skew, kurtosis, body[:count], body[count:])


def block_count(days: int) -> int:
    """d일의 블록 수."""
    return min(days // GROUPS * GROUPS, MAX_BLOCKS) if days >= GROUPS else days


def block_counts(days: int) -> NDArray[np.float64]:
    """float64[B], 블록마다의 날 수."""
    edges, _ = _layout(days)
    return np.diff(np.append(edges, days)).astype(np.float64)


def sharpe_of(
    sums: NDArray[np.float64] | np.float64 | float,
    squares: NDArray[np.float64] | np.float64 | float,
    days: NDArray[np.float64] | np.float64 | float,
) -> NDArray[np.float64]:
    """합과 제곱의 합에서 일간 Sharpe(평균/표준편차, 표준편차는 n-1). 꼴은 인자들을 broadcast한 것.

    하루뿐이거나 변하지 않으면 0이다.
    """
    days = np.asarray(days, dtype=np.float64)
    mean = np.divide(sums, days, out=np.zeros(np.broadcast(sums, days).shape), where=days > 0)
    spread = np.maximum(squares - days * mean * mean, 0.0)
    moving = (spread > _ROUNDING * np.asarray(squares)) & (days > 1)
    deviation = np.sqrt(spread / np.where(days > 1, days - 1.0, 1.0))
    return np.divide(mean, deviation, out=np.zeros_like(mean), where=moving)


@lru_cache(maxsize=256)
def _layout(days: int) -> tuple[NDArray[np.int64], int]:
    """블록의 첫 날들과 블록 수."""
    count = block_count(days)
    edges = np.arange(count, dtype=np.int64) * days // max(count, 1)
    return edges, count


def _shape(returns: NDArray[np.float64]) -> tuple[float, float]:
    """(비대칭도, 첨도). 모집단 적률."""
    days = len(returns)
    away = returns - returns.sum() / days
    power = away * away
    spread = float(away @ away) / days
    # 너무 작으면 아래의 거듭제곱이 0이 된다.
    if not spread > max(_ROUNDING * float(returns @ returns) / days, _TINY):
        return 0.0, 3.0
    skew = float(power @ away) / days / spread**1.5
    return skew, float(power @ power) / days / spread**2
