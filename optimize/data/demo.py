"""합성 데모 캔들: seed로 만든 1분봉. 늘 '합성 데모'라고 밝힌다.

실제 시장의 모양 몇 가지를 흉내 낸다: 추세·횡보·급변의 국면(regime), 뭉치는 변동성
(15분 단위 AR(1) log volatility), 하루 주기, 두꺼운 꼬리. 같은 seed·종목·기간이면 같은 봉이다.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from optimize.data.dataset import Candles
from optimize.data.timeframes import MINUTE_MS

DEMO_VERSION = 1  # 만드는 법이 바뀌면 올린다
DEMO_START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
_DAY_MINUTES = 1440
_BLOCK = 15  # 변동성이 새로 정해지는 간격, 분
_KNOWN_PRICES = {"BTC": 42_000.0, "ETH": 2_300.0, "SOL": 100.0, "XRP": 0.6, "DOGE": 0.09}
_DEFAULT_PRICE = 25.0
_MINUTE_VOLATILITY = 0.00065  # BTC 1분 수익률의 표준편차와 같은 크기
# 국면: 하루 추세(log 수익), 변동성 배수, 평균 길이(시간), 잦기
_DRIFT_PER_DAY = np.array([0.0, 0.02, -0.02, 0.0])
_VOLATILITY = np.array([0.75, 1.0, 1.15, 2.4])
_MEAN_HOURS = np.array([30.0, 40.0, 32.0, 6.0])
_FREQUENCY = np.array([0.42, 0.26, 0.22, 0.10])


def price_decimals(price: float) -> int:
    """가격을 적는 소수 자릿수(유효 숫자 여섯 자리쯤)."""
    return max(0, 5 - int(np.floor(np.log10(price))))


def start_price(ticker: str) -> float:
    """종목의 첫 가격."""
    return next(
        (price for name, price in _KNOWN_PRICES.items() if ticker.startswith(name)), _DEFAULT_PRICE
    )


def make_demo(ticker: str, seed: int, start_ms: int, bars: int) -> Candles:
    """start_ms부터 1분봉 bars개를 만든다. 값은 (ticker, seed, start_ms, bars)로 정해진다."""
    entropy = hashlib.sha256(f"{ticker}|{seed}|{start_ms}".encode()).digest()[:16]
    rng = np.random.default_rng(int.from_bytes(entropy, "big"))
    minutes = start_ms // MINUTE_MS + np.arange(bars, dtype=np.int64)
    drift, volatility = _regimes(rng, bars)
    daily = 1.0 + 0.35 * np.sin(2 * np.pi * (minutes % _DAY_MINUTES) / _DAY_MINUTES - 2.1)
    sigma = _MINUTE_VOLATILITY * volatility * daily * _clustering(rng, bars)
    shock = rng.standard_t(5, bars) * np.sqrt(3 / 5)
    returns = drift / _DAY_MINUTES + sigma * shock
    price = start_price(ticker)
    decimals = price_decimals(price)
    tick = 10.0**-decimals
    # 긴 기간에 가격이 0이나 무한으로 가지 않게 log 가격을 첫 값 둘레로 부드럽게 묶는다.
    path = 1.8 * np.tanh(np.cumsum(returns) / 1.8)
    close = np.maximum(np.round(price * np.exp(path), decimals), tick)
    opened = np.concatenate(([np.round(price, decimals)], close[:-1]))
    reach = np.abs(rng.normal(0.0, 0.55, (2, bars))) * sigma
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    high = np.maximum(np.round(top * (1 + reach[0]), decimals), top)
    low = np.minimum(np.maximum(np.round(bottom * (1 - reach[1]), decimals), tick), bottom)
    volume = np.round(
        1e6 / price * daily * volatility * np.exp(rng.normal(0, 0.6, bars) + 0.4 * np.abs(shock)), 5
    )
    return Candles(
        open_time=minutes * MINUTE_MS,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        filled=np.zeros(bars, dtype=np.bool_),
    )


def _regimes(
    rng: np.random.Generator, bars: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """분마다의 추세와 변동성 배수. 각 float64[bars]."""
    count = 16 + 2 * bars // int(60 * _MEAN_HOURS @ _FREQUENCY)
    lengths = np.zeros(0, dtype=np.int64)
    states = np.zeros(0, dtype=np.int64)
    while lengths.sum() < bars:
        more = rng.choice(len(_FREQUENCY), size=count, p=_FREQUENCY)
        states = np.append(states, more)
        lengths = np.append(lengths, 1 + rng.exponential(60 * _MEAN_HOURS[more]).astype(np.int64))
    state = np.repeat(states, lengths)[:bars]
    return _DRIFT_PER_DAY[state], _VOLATILITY[state]


def _clustering(rng: np.random.Generator, bars: int) -> NDArray[np.float64]:
    """15분마다 바뀌는 AR(1) log 변동성, 평균 1 언저리. float64[bars]."""
    blocks = bars // _BLOCK + 2
    noise = rng.normal(0.0, 0.12, blocks).tolist()
    level, levels = 0.0, []
    for step in noise:
        level = 0.97 * level + step
        levels.append(level)
    return np.repeat(np.exp(np.array(levels) - 0.12), _BLOCK)[:bars]
