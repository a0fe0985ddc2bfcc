"""거래소에 닿는지와 캐시에 있는지를 빨리 알아보기. 화면의 심볼 고르기가 쓴다.

표준 라이브러리만 쓴다(httpx를 들이는 시간도 아낀다). 정해진 시간(기본 2.5초) 안에 답한다.
"""

from __future__ import annotations

import importlib.util
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from optimize.data.endpoints import binance_probe_urls, upbit_probe_urls
from optimize.data.manifest import read_manifest
from optimize.data.reasons import connection_reason
from optimize.data.symbols import Symbol
from optimize.errors import DataError

Availability = Literal["demo", "cached", "reachable", "neither"]
_HTTP_MEANS_BLOCKED = frozenset({403, 418, 429, 451})


@dataclass(frozen=True, slots=True)
class Probe:
    """알아본 것.

    availability: demo(합성) · cached(캐시에 있음) · reachable(내려받을 수 있음) · neither.
    cached, reachable: 각각의 참거짓(캐시에 있으면서 닿을 수도 있다). start_ms, end_ms: 캐시의 기간.
    detail: 한국어 한 줄. latency_ms: 답이 온 시간, 닿지 못했으면 None.
    """

    symbol: str
    availability: Availability
    cached: bool
    reachable: bool
    detail: str
    start_ms: int | None = None
    end_ms: int | None = None
    bars: int = 0
    latency_ms: float | None = None


def probe(symbol: Symbol, cache_dir: Path, timeout_s: float = 2.5) -> Probe:
    """심볼의 캔들을 어디서 얻을 수 있는지. 예외를 내지 않는다."""
    name = str(symbol)
    if symbol.is_demo:
        return Probe(name, "demo", False, False, "합성 데모: 실제 시장이 아닌 만든 캔들입니다")
    try:
        manifest = read_manifest(cache_dir / symbol.slug)
    except DataError:
        manifest = None
    period = manifest.period if manifest else None
    urls = _urls(symbol)
    latency, cause = _reach(urls, timeout_s) if urls else (None, "")
    reached = latency is not None
    unreached = f"거래소에 닿지 못했습니다: {cause}" if urls else _through_ccxt(symbol)
    if manifest is not None and period is not None:
        suffix = "" if reached else f" · {unreached}"
        detail = f"캐시에 {manifest.rows:,}개의 봉이 있습니다 ({manifest.source}){suffix}"
        return Probe(
            name, "cached", True, reached, detail, *period, manifest.rows, latency_ms=latency
        )
    if reached:
        return Probe(name, "reachable", False, True, "거래소에서 내려받습니다", latency_ms=latency)
    return Probe(name, "neither", False, False, f"캐시에 없습니다 · {unreached}")


def _urls(symbol: Symbol) -> tuple[str, ...]:
    if symbol.exchange == "BINANCE":
        return binance_probe_urls(is_perpetual=symbol.is_perpetual)
    return upbit_probe_urls() if symbol.exchange == "UPBIT" else ()


def _through_ccxt(symbol: Symbol) -> str:
    """ccxt로 받는 거래소: 묻지 않고 설치되었는지만 말한다."""
    installed = importlib.util.find_spec("ccxt") is not None
    how = "닿는지는 내려받을 때 압니다" if installed else "ccxt를 먼저 설치해야 합니다"
    return f"{symbol.exchange}은(는) ccxt로 내려받는 거래소입니다: {how}"


def _reach(urls: tuple[str, ...], timeout_s: float) -> tuple[float | None, str]:
    """가장 먼저 답한 주소의 시간(ms)과 못 닿은 까닭. 이름 풀이가 멈춰도 timeout_s 안에 돌아온다."""
    answers: list[float] = []
    causes: list[str] = []
    settled = threading.Condition()

    def ask(url: str) -> None:
        began = time.perf_counter()
        cause = _ask(url, timeout_s)
        with settled:
            if cause is None:
                answers.append((time.perf_counter() - began) * 1000)
            else:
                causes.append(cause)
            settled.notify()

    for url in urls:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    with settled:
        settled.wait_for(lambda: answers or len(causes) == len(urls), timeout=timeout_s)
        if answers:
            return min(answers), ""
        return None, causes[0] if causes else "시간 안에 답이 없습니다"


def _ask(url: str, timeout_s: float) -> str | None:
    """답이 오면 None, 아니면 까닭."""
    request = urllib.request.Request(url, method="GET", headers={"User-Agent": "backtest-wizard"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):  # noqa: S310 — 설정된 http(s) 주소뿐
            return None
    except urllib.error.HTTPError as error:
        error.close()
        # 404라도 답했으면 닿은 것이다.
        return f"HTTP {error.code}로 막혔습니다" if error.code in _HTTP_MEANS_BLOCKED else None
    except (OSError, HTTPException) as error:
        return connection_reason(error)
