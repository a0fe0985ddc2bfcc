"""캔들 마련하기: 파일, 캐시(와 거래소), 합성 데모에서 칸마다의 `DatasetRef`를 만든다.

합성 데모는 심볼이 `DEMO:`일 때만 쓴다. 다른 출처를 말없이 대신하지 않는다.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from optimize.data import clock
from optimize.data.dataset import Candles, DatasetRef, FundingSchedule
from optimize.data.demo import DEMO_START_MS, DEMO_VERSION, make_demo, price_decimals, start_price
from optimize.data.manifest import Manifest, MarketRules
from optimize.data.period import (
    DAY_MS,
    check_order,
    format_ms,
    format_period,
    parse_end,
    parse_start,
)
from optimize.data.plain_file import file_digest
from optimize.data.prepared import BaseSource, LoadedBase, prepare_cells
from optimize.data.quality import MISSING_WARNING, assess, clean
from optimize.data.store import SymbolStore
from optimize.data.symbols import DEMO_LABEL, EXCHANGES, Symbol
from optimize.data.timeframes import MINUTE_MS, Cell
from optimize.errors import DataError, SettingsError

Progress = Callable[[str, int, int], None]
_FUNDING_SLACK_MS = DAY_MS
# 거래소들의 펀딩 간격(1·4·8시간) 가운데 가장 긴 것.
_FUNDING_LONGEST_MS = 8 * 3_600_000
_DEFAULT_DAYS = 365


def prepare(
    symbol: Symbol,
    cells: Sequence[Cell],
    *,
    file: Path | None = None,
    start: str | None = None,
    end: str | None = None,
    offline: bool = False,
    demo_seed: int = 0,
    demo_days: int = 365,
    cache_dir: Path,
    on_progress: Progress,
    floor_off_grid: bool = False,
    funding_file: Path | None = None,
    one_of_several: bool = False,
) -> list[DatasetRef]:
    """칸마다 DatasetRef 하나를 칸의 차례대로 준다.

    file: 캔들 파일. 없으면 `DEMO:`는 만들고, 나머지는 캐시와 거래소에서 얻는다.
    start, end: `YYYY-MM-DD[THH:MM]` UTC, 끝은 포함하지 않는다. 비우면 파일은 전부,
        거래소는 캐시에 있는 만큼, 캐시가 비었으면 최근 365일이다.
    offline: 참이면 거래소에 묻지 않는다. on_progress(이름, 한 일, 할 일; 모르면 0).
    floor_off_grid: 격자를 벗어난 시각을 내림한다(파일에만). funding_file: 펀딩 기록 파일.
    one_of_several: 함께 도는 심볼들 가운데 하나인가. 오류가 대는 인자의 꼴만 다르다.

    캔들을 얻지 못하면 DataError, 기간이 틀리면 SettingsError.
    """
    start_ms = parse_start(start) if start else None
    end_ms = parse_end(end) if end else None
    if start_ms is not None and end_ms is not None:
        check_order(start_ms, end_ms)
    store = SymbolStore(cache_dir, symbol)
    fix = missing_fix(symbol, one_of_several=one_of_several)
    if file is not None and symbol.is_demo:
        raise SettingsError(
            "DEMO: 심볼과 캔들 파일을 함께 쓸 수 없습니다",
            f"{symbol}은(는) 늘 합성 데모이고, {file.name}은(는) 파일의 캔들입니다",
            "--symbol 을 파일의 심볼로 바꾸거나 --data 를 빼세요",
        )
    if file is not None:
        source = _from_file(store, file, start_ms, end_ms, on_progress, floor_off_grid)
    elif symbol.is_demo:
        source = _from_demo(symbol, demo_seed, demo_days, start_ms, end_ms, on_progress)
    else:
        source = _from_cache(store, start_ms, end_ms, offline, on_progress, floor_off_grid, fix)
    source = _with_funding(source, store, funding_file)
    refs = prepare_cells(cache_dir, symbol, cells, source)
    argument = f"--funding {symbol}=파일" if one_of_several else "--funding 파일"
    return [
        replace(ref, notes=ref.notes + _funding_notes(ref, source.funding, argument))
        for ref in refs
    ]


def _from_file(
    store: SymbolStore,
    file: Path,
    start_ms: int | None,
    end_ms: int | None,
    on_progress: Progress,
    floor_off_grid: bool,
) -> BaseSource:
    file = file.expanduser()
    digest = file_digest(file)

    def load() -> LoadedBase:
        from optimize.data.files import read_candles

        on_progress(f"{file.name} 읽기", 0, 1)
        read = read_candles(file, floor_off_grid=floor_off_grid, start_ms=start_ms, end_ms=end_ms)
        on_progress(f"{file.name} 읽기", 1, 1)
        notes = [*read.quality.notes()]
        if "UTC로 읽음" in read.recognised.time_unit:
            notes.append("파일의 시각에 시간대 표시가 없어 UTC로 읽었습니다")
        first, last = read.whole
        asked = first if start_ms is None else start_ms, last if end_ms is None else end_ms
        notes += _partial_note(read.candles, read.interval_ms, *asked)
        return LoadedBase(read.candles, read.interval_ms, tuple(notes))

    return BaseSource(
        identity=f"file|2|{digest}|{start_ms}|{end_ms}|{floor_off_grid}",
        label=f"파일 {file.name}",
        load=load,
        market=store.manifest().market,
    )


def _partial_note(
    candles: Candles, interval_ms: int, start_ms: int, end_ms: int
) -> tuple[str, ...]:
    """고른 기간의 처음이나 끝에 0.1 % 넘게 봉이 없으면 그 말."""
    first, last = int(candles.open_time[0]), int(candles.open_time[-1]) + interval_ms
    lacking = max(0, first - start_ms) + max(0, end_ms - last)
    if lacking <= MISSING_WARNING * (end_ms - start_ms):
        return ()
    return (f"고른 기간의 일부만 있습니다: {format_period(first, last)}",)


def _from_demo(
    symbol: Symbol,
    seed: int,
    days: int,
    start_ms: int | None,
    end_ms: int | None,
    on_progress: Progress,
) -> BaseSource:
    if start_ms is None:
        start_ms = DEMO_START_MS if end_ms is None else end_ms - days * DAY_MS
    start_ms -= start_ms % MINUTE_MS
    end_ms = end_ms or start_ms + days * DAY_MS
    check_order(start_ms, end_ms)
    bars = (end_ms - start_ms) // MINUTE_MS

    def load() -> LoadedBase:
        on_progress(f"{DEMO_LABEL} 캔들 만들기", 0, 1)
        candles = make_demo(symbol.ticker, seed, start_ms, bars)
        on_progress(f"{DEMO_LABEL} 캔들 만들기", 1, 1)
        return LoadedBase(candles, MINUTE_MS)

    return BaseSource(
        identity=f"demo|{DEMO_VERSION}|{symbol.ticker}|{seed}|{start_ms}|{bars}",
        label=f"{DEMO_LABEL} (seed {seed})",
        load=load,
        market=MarketRules(tick_size=10.0 ** -price_decimals(start_price(symbol.ticker))),
        notes=(f"{DEMO_LABEL}: 실제 시장이 아니라 seed {seed}로 만든 캔들입니다",),
    )


def _from_cache(
    store: SymbolStore,
    start_ms: int | None,
    end_ms: int | None,
    offline: bool,
    on_progress: Progress,
    floor_off_grid: bool,
    fix: str,
) -> BaseSource:
    start_ms, end_ms = choose_period(store.manifest(), start_ms, end_ms, offline=offline)
    notes: list[str] = []
    if store.missing(start_ms, end_ms) and not offline:
        # httpx를 여는 값이 있으므로 내려받을 때만 들인다.
        from optimize.data.download import download

        notes = download(store, start_ms, end_ms, on_progress, fix=fix)
    manifest = store.manifest()
    period = manifest.period
    if period is None:
        raise DataError(
            f"{store.symbol}의 캔들이 캐시에 없습니다",
            "거래소에 묻지 않고 캐시만 봅니다(설정 data.offline, 또는 전략의 검증)",
            fix,
        )
    asked = start_ms, end_ms
    start_ms, end_ms = max(start_ms, period[0]), min(end_ms, period[1])
    if start_ms >= end_ms or manifest.missing(start_ms, end_ms):
        raise DataError(
            f"{store.symbol}의 고른 기간이 캐시에 다 있지 않습니다",
            "캐시에 있는 기간: " + ", ".join(format_period(*span) for span in manifest.covered),
            fix,
        )

    def load() -> LoadedBase:
        on_progress(f"{store.symbol} 캐시 읽기", 0, 1)
        candles = store.read(start_ms, end_ms)
        quality = assess(candles, manifest.interval_ms)
        candles = clean(candles, quality, floor_off_grid=floor_off_grid)
        on_progress(f"{store.symbol} 캐시 읽기", 1, 1)
        partial = _partial_note(candles, manifest.interval_ms, *asked)
        return LoadedBase(candles, manifest.interval_ms, quality.notes() + partial)

    return BaseSource(
        identity=f"cache|{store.identity(start_ms, end_ms)}|{start_ms}|{end_ms}|{asked}|{floor_off_grid}",
        label=manifest.source,
        load=load,
        market=manifest.market,
        notes=tuple(notes),
    )


def choose_period(
    manifest: Manifest,
    start_ms: int | None,
    end_ms: int | None,
    *,
    offline: bool = False,
    newest: bool = False,
) -> tuple[int, int]:
    """쓸 기간. 비운 끝은 캐시에 있는 만큼(나뉘어 있으면 가장 긴 구간), 캐시가 비었으면 최근 365일.

    newest: 캐시에 있는 만큼이 아니라 오늘 0시(UTC)까지로 잡는다(내려받기). 고른 기간이 캐시를 벗어나고 offline이면 DataError.
    """
    today = clock.now_ms() // DAY_MS * DAY_MS
    held = max(manifest.held, key=lambda span: span[1] - span[0], default=None)
    if held is not None and newest:
        held = (held[0], max(held[1], today))
    if start_ms is None and end_ms is None:
        return held or (today - _DEFAULT_DAYS * DAY_MS, today)
    if end_ms is None:
        assert start_ms is not None  # noqa: S101 — 위에서 둘 다 빈 것을 걸렀다
        end_ms = held[1] if held and held[1] > start_ms else today
    if start_ms is None:
        start_ms = held[0] if held and held[0] < end_ms else end_ms - _DEFAULT_DAYS * DAY_MS
    check_order(start_ms, end_ms)
    if offline and (manifest.period is None or manifest.missing(start_ms, end_ms)):
        raise DataError(
            "고른 기간이 캐시에 없습니다",
            "거래소에 묻지 않고 캐시만 봅니다(설정 data.offline, 또는 전략의 검증)\n"
            f"고른 기간 {format_period(start_ms, end_ms)}\n캐시에 있는 기간: "
            + (", ".join(format_period(*span) for span in manifest.covered) or "없음"),
            "--start 와 --end 를 비우거나 캐시의 기간으로 고르세요. 내려받기: "
            f"python -m optimize.data fetch --symbol {manifest.symbol}",
        )
    return start_ms, end_ms


def missing_fix(symbol: Symbol, *, one_of_several: bool = False) -> str:
    """캔들이 없을 때의 길들. 내려받을 수 있는 거래소면 그것도 든다. one_of_several: 심볼이 여럿인 실행의 하나인가."""
    needs = "" if symbol.exchange in EXCHANGES else "(ccxt가 있어야 합니다)"
    fetch = (
        f"인터넷이 되는 곳에서 내려받기{needs}: python -m optimize.data fetch --symbol {symbol}\n"
    )
    demo = f"DEMO:{symbol.ticker}"
    file, made = "파일.csv.gz", f"--symbol {demo}"
    if one_of_several:
        file, made = f"{symbol}={file}", f"--symbols 에서 {symbol} 대신 {demo}"
    return (
        "다음 가운데 하나를 고르세요:\n"
        f"가진 파일로 실행: --data {file}\n"
        f"파일을 캐시에 들이기: python -m optimize.data import 파일 --symbol {symbol}\n"
        f"{fetch}"
        f"합성 데모로 해 보기: {made}"
    )


def _with_funding(source: BaseSource, store: SymbolStore, funding_file: Path | None) -> BaseSource:
    """무기한 선물이면 펀딩 기록을 붙인다. 현물에 펀딩 파일을 주면 SettingsError."""
    if funding_file is not None:
        if not store.symbol.is_perpetual:
            raise SettingsError(
                f"{store.symbol}은(는) 현물이라 펀딩이 없습니다",
                f"펀딩 기록 파일 {funding_file.name}을(를) 함께 주었습니다",
                f"무기한 선물이면 심볼을 {store.symbol}.P 로 쓰고, 아니면 data.funding_file을 비우세요",
            )
        from optimize.data.files import read_funding

        return replace(source, funding=read_funding(funding_file.expanduser()))
    return replace(source, funding=store.funding()) if store.symbol.is_perpetual else source


def _funding_notes(
    ref: DatasetRef, funding: FundingSchedule | None, argument: str
) -> tuple[str, ...]:
    """펀딩이 모자란 것의 알림. argument: 펀딩 파일을 주는 인자."""
    if not ref.symbol.endswith(".P") or ref.is_demo:
        return ()
    if funding is None or not len(funding):
        return (f"펀딩 기록이 없어 펀딩 비용을 0으로 셉니다. {argument} 로 줄 수 있습니다",)
    first, last = int(funding.time[0]), int(funding.time[-1])
    inside = funding.time[(funding.time >= ref.start_ms) & (funding.time < ref.end_ms)]
    holes = int((np.diff(inside) > _FUNDING_LONGEST_MS).sum())
    if first > ref.start_ms + _FUNDING_SLACK_MS or last < ref.end_ms - _FUNDING_SLACK_MS:
        return (
            f"펀딩 기록이 기간의 일부({format_ms(first)} ~ {format_ms(last)})에만 있습니다. "
            "나머지는 0으로 셉니다",
        )
    if holes:
        return (f"펀딩 기록에 8시간이 넘는 빈 곳이 {holes}곳 있습니다. 그 사이는 0으로 셉니다",)
    return ()
