"""Binance의 한 달 받기: 달 zip → 빠진 날의 하루 zip → REST. thread에서 돈다."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from optimize.data.binance import BinanceMarket
from optimize.data.dataset import Candles
from optimize.data.http import NotThere, UnreachableError
from optimize.data.manifest import Span, merge_spans, subtract
from optimize.data.period import DAY_MS, format_ms, month_start, next_month
from optimize.data.quality import between
from optimize.data.timeframes import MINUTE_MS
from optimize.errors import DataError

# 상장일을 모를 때 달 파일이 없어도 하루 파일을 찾아보는 최근 기간.
_RECENT_MS = 62 * DAY_MS
_REST_SPAN_MS = 7 * DAY_MS


@dataclass(slots=True)
class Piece:
    """받은 조각. covered: 확인한 구간들. notes: 사람이 읽는 알림."""

    candles: list[Candles] = field(default_factory=list)
    covered: list[Span] = field(default_factory=list)
    archives: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class MonthWorker:
    """한 달 받기.

    listed: 상장한 시각, 모르면(REST가 막혔으면) None. now_ms: 지금.
    """

    def __init__(self, market: BinanceMarket, listed: int | None, now_ms: int) -> None:
        self.market = market
        self.listed = listed
        self.now_ms = now_ms
        self.bulk_down = ""

    def month(self, key: str, spans: list[Span]) -> Piece:
        """달 zip, 빠진 날의 하루 zip, 그래도 빠진 날의 REST."""
        piece = Piece()
        whole = (max(month_start(key), self.listed or 0), month_start(next_month(key)))
        if whole[1] <= self.now_ms:
            found = self._archive(key)
            if found is not None:
                piece.candles.append(found[0])
                piece.archives[key] = found[1]
                spans = [whole]
            elif self.listed is None and whole[1] < self.now_ms - _RECENT_MS:
                # 상장 전의 달로 본다.
                piece.covered = spans
                return piece
        days = [day for span in spans for day in split(span, DAY_MS)]
        unseen = merge_spans(day for day in days if not self._day(day, piece))
        piece.covered = [part for span in spans for part in subtract(span, unseen)]
        for span in unseen:
            self._rest(span, piece)
        if self.bulk_down:
            piece.notes.append(f"bulk 파일을 쓸 수 없어 REST로 받습니다: {self.bulk_down}")
        return piece

    def _archive(self, period: str) -> tuple[Candles, str] | None:
        """bulk 파일. 없으면 None. bulk 서버가 막혔어도 REST가 되면 None(REST로 받는다)."""
        if self.bulk_down:
            return None
        try:
            return self.market.archive(period)
        except NotThere:
            return None
        except UnreachableError as error:
            if self.listed is None:
                raise
            self.bulk_down = brief(error)
            return None

    def _day(self, day: Span, piece: Piece) -> bool:
        """그날을 확인했는가. 빈 봉이 있으면 하루 zip을 받아 본다."""
        have = sum(len(between(part, *day)) for part in piece.candles)
        if have >= (day[1] - day[0]) // MINUTE_MS:
            return True
        midnight = day[0] // DAY_MS * DAY_MS
        if midnight + DAY_MS > self.now_ms:
            return False
        found = self._archive(format_ms(midnight)[:10])
        if found is None:
            return have > 0
        piece.candles.append(found[0])
        return True

    def _rest(self, span: Span, piece: Piece) -> None:
        for part in split(span, _REST_SPAN_MS):
            try:
                candles, until = self.market.rest_candles(*part)
            except UnreachableError as error:
                piece.notes.append(
                    f"{format_ms(part[0])[:10]}부터의 최근 봉을 받지 못했습니다: {brief(error)}"
                )
                return
            piece.candles.append(candles)
            piece.covered.append((part[0], until))


def brief(error: Exception) -> str:
    """알림에 붙이는 한 줄: 제목과 원인의 첫 줄."""
    if not isinstance(error, DataError):
        return "그 자리에 없습니다 (HTTP 404)"
    cause = error.cause.partition("\n")[0]
    return f"{error.title} ({cause})" if cause else error.title


def split(span: Span, size_ms: int) -> list[Span]:
    """size_ms의 배수인 경계로 나눈다."""
    edges = [span[0], *range(span[0] // size_ms * size_ms + size_ms, span[1], size_ms), span[1]]
    return list(pairwise(edges))
