"""내려받기: 캐시에 없는 구간만 거래소에서 받아 달마다 넣는다.

순서는 달 zip → 달이 빠뜨린 날의 하루 zip → 가장 최근의 REST다. 받은 것은 그때그때 캐시에 들어가므로
멈추거나 끊겨도 다음에 이어진다. 진행은 주 thread에서 적어도 1초마다 알리며, 그 함수가 예외를 내면
(Ctrl-C 포함) 모든 내려받기가 멈추고 그 예외가 나간다.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from optimize.data import clock
from optimize.data.binance import FUNDING_DELAY_MS, BinanceMarket
from optimize.data.ccxt_market import CcxtMarket, open_exchange
from optimize.data.crew import Crew
from optimize.data.http import HttpOptions, HttpSource, NotThere, UnreachableError
from optimize.data.locks import locked_patiently
from optimize.data.manifest import Span, merge_spans, subtract
from optimize.data.months import MonthWorker, Piece, brief, split
from optimize.data.period import (
    DAY_MS,
    format_ms,
    month_key,
    month_start,
    months_between,
    next_month,
)
from optimize.data.quality import between, concatenate, from_rows, in_order
from optimize.data.store import SymbolStore
from optimize.data.timeframes import MINUTE_MS, Timeframe
from optimize.data.upbit import UpbitMarket
from optimize.errors import DataError, SettingsError

Progress = Callable[[str, int, int], None]
_Answer = TypeVar("_Answer")
_CONCURRENT = 6
_REPEAT_S = 1.0


def download(
    store: SymbolStore,
    start_ms: int,
    end_ms: int,
    on_progress: Progress,
    *,
    fix: str,
    refresh: bool = False,
    options: HttpOptions | None = None,
) -> list[str]:
    """[start_ms, end_ms)에서 빠진 것을 받아 캐시에 넣고, 알릴 말들을 준다.

    refresh: 거래소가 다시 올린 달(CHECKSUM이 바뀐 달)을 다시 받는다.
    닿지 못하거나 심볼이 없으면 DataError(fix를 붙인다). 아직 오지 않은 기간이면 SettingsError.
    """
    now = clock.now_ms()
    if start_ms >= now:
        raise SettingsError(
            "고른 기간이 아직 오지 않았습니다",
            f"시작 {format_ms(start_ms)}, 지금 {format_ms(now)} (UTC)",
            "--start 를 지난 때로 고르세요",
        )
    _check_interval(store)
    exchange = {"BINANCE": "Binance", "UPBIT": "Upbit"}.get(store.symbol.exchange)
    others = None if exchange else open_exchange(store.symbol, fix)
    exchange = exchange or store.symbol.exchange
    end_ms = min(end_ms, now)
    cancel = threading.Event()
    on_progress = _calm(on_progress)
    http = HttpSource(exchange, fix, options or HttpOptions(), cancel)
    waiting = partial(on_progress, f"{store.symbol}: 다른 프로세스의 내려받기를 기다림", 0, 0)
    try:
        with locked_patiently(store.folder, ".download.lock", waiting):
            session = _Session(store, http, on_progress)
            if others is not None:
                return session.through_ccxt(*others, start_ms, end_ms)
            if exchange == "Upbit":
                return session.upbit(start_ms, end_ms)
            return session.binance(start_ms, end_ms, refresh=refresh)
    finally:
        cancel.set()
        http.close()


def _check_interval(store: SymbolStore) -> None:
    """받는 것은 1분봉이다. 캐시에 든 봉이 더 굵으면 받기 전에 DataError."""
    manifest = store.manifest()
    if manifest.months and manifest.interval_ms != MINUTE_MS:
        held = Timeframe(manifest.interval_ms // MINUTE_MS)
        raise DataError(
            f"{store.symbol}의 캐시에는 {held} 봉이 들어 있어 1분봉을 이어 받을 수 없습니다",
            f"캐시의 출처: {manifest.source}",
            "캐시의 기간만 쓰려면 --start 와 --end 를 비우고 --set data.offline=true 로 실행하세요.\n"
            f"1분봉으로 바꾸려면 {store.folder} 폴더를 지우고 다시 받으세요",
        )


def _calm(on_progress: Progress) -> Progress:
    """그대로인 진행은 1초에 한 번만 알린다."""
    last: tuple[tuple[str, int, int], float] = (("", 0, 0), 0.0)

    def report(label: str, done: int, total: int) -> None:
        nonlocal last
        now, said = time.monotonic(), (label, done, total)
        if said != last[0] or now - last[1] >= _REPEAT_S:
            last = (said, now)
            on_progress(label, done, total)

    return report


class _Session:
    def __init__(self, store: SymbolStore, http: HttpSource, on_progress: Progress) -> None:
        self.store = store
        self.http = http
        self.on_progress = on_progress

    def upbit(self, start_ms: int, end_ms: int) -> list[str]:
        """하루씩 차례로 받는다(요청 수의 한도가 좁다)."""
        market = UpbitMarket(self.store.symbol, self.http)
        return self._day_by_day(market, self.store.missing(start_ms, end_ms))

    def _day_by_day(self, market: UpbitMarket | CcxtMarket, missing: list[Span]) -> list[str]:
        def one(span: Span) -> Piece:
            candles, until = market.rest_candles(*span)
            return Piece([candles], [(span[0], until)])

        tasks: list[Callable[[], Piece]] = [
            partial(one, day) for span in missing for day in split(span, DAY_MS)
        ]
        return self._run(tasks, market.label, 1)

    def through_ccxt(self, ccxt: Any, exchange: Any, start_ms: int, end_ms: int) -> list[str]:
        """하루씩 차례로 받는다(요청의 간격은 ccxt가 지킨다)."""
        found: list[CcxtMarket] = []

        def opened() -> CcxtMarket:
            if not found:
                found.append(
                    CcxtMarket(self.store.symbol, ccxt, exchange, self.http.fix, self.http.cancel)
                )
            return found[0]

        market = self._ask("시장 찾기", opened)
        missing = self.store.missing(start_ms, end_ms)
        notes = self._day_by_day(market, missing)
        if missing and not self.store.manifest().months:
            raise DataError(
                f"{self.store.symbol}의 캔들이 거래소에 없습니다",
                "그 기간에 상장되지 않았거나, 거래소가 그만큼 오래된 1분봉을 주지 않습니다",
                f"기간을 최근으로 고르세요.\n{self.http.fix}",
            )
        if self.store.manifest().market.tick_size is None:
            self.store.set_market(market.market_rules())
        if self.store.symbol.is_perpetual:
            for span in subtract((start_ms, end_ms), self.store.manifest().funding_covered):
                funding = self._ask("펀딩", partial(market.rest_funding, *span))
                if funding is None:
                    notes.append(f"{market.label}은(는) 펀딩 기록을 주지 않습니다")
                    break
                until = min(span[1], clock.now_ms() - FUNDING_DELAY_MS)
                self.store.merge_funding(funding, (span[0], until))
        return notes

    def binance(self, start_ms: int, end_ms: int, *, refresh: bool) -> list[str]:
        market = BinanceMarket(self.store.symbol, self.http)
        missing = self.store.missing(start_ms, end_ms)
        if refresh:
            missing = merge_spans([*missing, *self._uploaded_again(market, start_ms, end_ms)])
        notes: list[str] = []
        if missing:
            listed = self._listing(market, notes)
            if listed is not None and listed >= end_ms:
                raise DataError(
                    f"고른 기간에는 {self.store.symbol}의 캔들이 없습니다",
                    f"첫 캔들은 {format_ms(listed)}(UTC)입니다",
                    "--start 와 --end 를 그 뒤로 고르세요",
                )
            if listed is not None and listed > start_ms:
                before = (start_ms, min(listed // DAY_MS * DAY_MS, end_ms))
                self._save(Piece(covered=[before]), market.label)
                missing = [part for span in missing for part in subtract(span, [before])]
                notes.append(f"{self.store.symbol}의 첫 캔들은 {format_ms(listed)}(UTC)입니다")
            months = _by_month(missing)
            worker = MonthWorker(market, listed, clock.now_ms())
            notes += self._run(
                [partial(worker.month, key, spans) for key, spans in months],
                market.label,
                _CONCURRENT,
            )
        # 봉은 달마다 받으므로 펀딩도 그 달의 처음부터 받는다.
        self._extras(market, month_start(month_key(start_ms)), end_ms, notes)
        if missing and not self.store.manifest().months:
            raise DataError(
                f"{self.store.symbol}의 캔들이 거래소에 없습니다",
                "심볼이 없거나 그 기간에 상장되지 않았습니다",
                f"심볼의 철자와 기간을 확인하세요.\n{self.http.fix}",
            )
        return notes

    def _listing(self, market: BinanceMarket, notes: list[str]) -> int | None:
        """첫 봉의 시각. REST가 막혔으면 None(bulk만으로 이어 간다)."""
        try:
            return self._ask("첫 캔들 찾기", market.first_candle_ms)
        except UnreachableError as error:
            notes.append(f"REST를 쓸 수 없어 bulk 파일만 받습니다: {brief(error)}")
            return None

    def _uploaded_again(self, market: BinanceMarket, start_ms: int, end_ms: int) -> list[Span]:
        archives = self.store.manifest().archives
        changed = []
        for key in months_between(start_ms, end_ms):
            if key in archives:
                label = f"다시 올라온 달 확인 {key}"
                try:
                    digest = self._ask(label, partial(market.archive_digest, key))
                except NotThere:
                    continue
                if digest != archives[key]:
                    changed.append((month_start(key), month_start(next_month(key))))
        return changed

    def _extras(self, market: BinanceMarket, start_ms: int, end_ms: int, notes: list[str]) -> None:
        """거래 규칙과 펀딩. 캔들이 있으면 이것이 막혀도 알리고 이어 간다."""
        try:
            if self.store.manifest().market.tick_size is None:
                self.store.set_market(self._ask("거래 규칙", market.market_rules))
        except (DataError, NotThere) as error:
            notes.append(f"호가·수량 단위를 받지 못했습니다: {brief(error)}")
        if not self.store.symbol.is_perpetual:
            return
        for span in subtract((start_ms, end_ms), self.store.manifest().funding_covered):
            try:
                funding, until = self._ask("펀딩", partial(market.rest_funding, *span))
            except UnreachableError:
                self._funding_archives(market, span, notes)
            else:
                self.store.merge_funding(funding, (span[0], until))

    def _funding_archives(self, market: BinanceMarket, span: Span, notes: list[str]) -> None:
        """REST가 막혔을 때 달마다의 펀딩 bulk 파일."""
        missing: list[str] = []
        for key in months_between(*span):
            try:
                funding = self._ask(f"펀딩 {key}", partial(market.funding_archive, key))
            except (NotThere, UnreachableError):
                missing.append(key)
            else:
                self.store.merge_funding(funding, (month_start(key), month_start(next_month(key))))
        if missing:
            notes.append(f"펀딩을 받지 못한 달: {', '.join(missing)}")

    def _ask(self, label: str, call: Callable[[], _Answer]) -> _Answer:
        """하나를 묻는다. 기다리는 동안에도 진행을 알려 멈출 수 있게 한다."""
        title = f"{self.store.symbol} {label}"
        for answer in Crew([lambda: (call(),)], 1, "download").results():
            if answer is not None:
                return answer[0]
            self.on_progress(title, 0, 0)
        raise AssertionError("일 하나는 결과 하나를 낸다")

    def _run(self, tasks: list[Callable[[], Piece]], label: str, concurrent: int) -> list[str]:
        """일들을 나눠 돌리며 끝나는 대로 캐시에 넣는다."""
        notes: list[str] = []
        title = f"{self.store.symbol} 내려받기"
        self.on_progress(title, 0, len(tasks))
        done = 0
        for piece in Crew(tasks, concurrent, "download").results():
            if piece is not None:
                self._save(piece, label)
                notes += piece.notes
                done += 1
            self.on_progress(title, done, len(tasks))
        return list(dict.fromkeys(notes))

    def _save(self, piece: Piece, label: str) -> None:
        candles = [part for part in piece.candles if len(part)]
        merged = in_order(concatenate(candles)) if candles else from_rows([], [])
        for span in piece.covered:
            self.store.merge(between(merged, *span), MINUTE_MS, span, label, piece.archives)


def _by_month(spans: list[Span]) -> list[tuple[str, list[Span]]]:
    """구간들을 달로 나눈다."""
    months: dict[str, list[Span]] = {}
    for start, end in spans:
        for key in months_between(start, end):
            part = (max(start, month_start(key)), min(end, month_start(next_month(key))))
            months.setdefault(key, []).append(part)
    return sorted(months.items())
