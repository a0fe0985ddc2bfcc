"""심볼 하나의 캔들 캐시: 달마다 Arrow 파일 하나와 목록(manifest).

봉은 손질했으되 빈 봉은 채우지 않은 것이다. 여러 프로세스가 함께 써도 되도록 고칠 때마다
파일 잠금을 잡는다. 파일의 이름에 내용의 지문이 들어 있어, 새 파일을 적고 목록을 갈아 끼운 다음
옛 파일을 지운다: 어느 때 죽어도 목록과 파일이 어긋나지 않는다. 열 때 지문을 확인한다.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from optimize.data import arrow_io
from optimize.data.dataset import Candles, FundingSchedule
from optimize.data.locks import locked
from optimize.data.manifest import (
    FILE_NAME,
    Manifest,
    MarketRules,
    Month,
    Span,
    merge_spans,
    read_manifest,
    subtract,
    write_manifest,
)
from optimize.data.period import month_start, months_between, next_month
from optimize.data.quality import between, concatenate, take
from optimize.data.symbols import Symbol
from optimize.data.timeframes import MINUTE_MS, Timeframe
from optimize.errors import DataError

_LOCK_SECONDS = 60
# 이 캐시가 적는 파일과 그 임시 파일의 이름.
_NAME = r"(?:\d{4}-\d{2}|funding)\.[0-9a-f]{8}\.arrow"
_OWN_FILE = re.compile(rf"{_NAME}|\.(?:{_NAME}|{re.escape(FILE_NAME)})\..+\.tmp", re.ASCII)


def content_digest(candles: Candles) -> str:
    """봉의 내용의 sha256(hex)."""
    digest = hashlib.sha256()
    for name in ("open_time", *arrow_io.PRICE_COLUMNS):
        digest.update(np.ascontiguousarray(getattr(candles, name)).data)
    digest.update(np.ascontiguousarray(candles.filled).data)
    return digest.hexdigest()


def funding_digest(funding: FundingSchedule) -> str:
    """펀딩 기록의 sha256(hex)."""
    digest = hashlib.sha256(np.ascontiguousarray(funding.time).data)
    digest.update(np.ascontiguousarray(funding.rate).data)
    return digest.hexdigest()


class SymbolStore:
    """한 심볼의 캐시 폴더 `<cache_dir>/<slug>/`."""

    def __init__(self, cache_dir: Path, symbol: Symbol) -> None:
        self.symbol = symbol
        self.folder = cache_dir / symbol.slug

    def manifest(self) -> Manifest:
        """지금의 목록. 없으면 빈 목록."""
        return read_manifest(self.folder) or Manifest(str(self.symbol))

    @contextmanager
    def _edit(self) -> Iterator[Manifest]:
        """목록을 잠그고 고친다. 잘 끝나면 적는다."""
        with locked(self.folder, _LOCK_SECONDS):
            manifest = self.manifest()
            yield manifest
            write_manifest(self.folder, manifest)
            self._sweep(manifest)

    def _sweep(self, manifest: Manifest) -> None:
        """목록에 없는 우리 파일과, 쓰다가 죽은 프로세스의 임시 파일을 지운다.

        잠근 채로 부르므로 임시 파일을 쓰고 있는 프로세스는 없다. 사용자가 둔 다른 파일은 건드리지 않는다.
        """
        named = {self._month_file(key, month.sha256).name for key, month in manifest.months.items()}
        if manifest.funding is not None:
            named.add(self._funding_file(manifest.funding.sha256).name)
        for path in self.folder.iterdir():
            if _OWN_FILE.fullmatch(path.name) and path.name not in named:
                path.unlink(missing_ok=True)

    def _month_file(self, key: str, digest: str) -> Path:
        return self.folder / f"{key}.{digest[:8]}.arrow"

    def _funding_file(self, digest: str) -> Path:
        return self.folder / f"funding.{digest[:8]}.arrow"

    def merge(
        self,
        candles: Candles,
        interval_ms: int,
        covered: Span,
        source: str,
        archives: dict[str, str] | None = None,
        *,
        replace: bool = False,
    ) -> int:
        """봉을 더한다. 같은 시각의 봉은 새것으로 바꾸고, 값이 바뀐 봉의 수를 돌려준다.

        covered: 이 봉들로 확인된 구간(UTC ms). 이미 든 봉과 간격이 다르면 DataError.
        replace: 이미 든 봉을 한꺼번에 갈아 끼운다(펀딩과 거래 규칙은 남는다).
        """
        changed = 0
        with self._edit() as manifest:
            if replace:
                manifest.months, manifest.covered, manifest.archives = {}, [], {}
                manifest.source = ""
            if manifest.months and manifest.interval_ms != interval_ms:
                raise DataError(
                    f"{self.symbol}의 캐시와 봉의 간격이 다릅니다",
                    f"캐시는 {Timeframe(manifest.interval_ms // MINUTE_MS)}, "
                    f"새 봉은 {Timeframe(interval_ms // MINUTE_MS)}입니다",
                    f"캐시를 새 봉으로 갈아 끼우려면 --replace 를 붙이거나 {self.folder} 폴더를 지우세요",
                )
            manifest.interval_ms = interval_ms
            if source not in manifest.source:
                manifest.source = " + ".join(filter(None, (manifest.source, source)))
            if len(candles):
                end = int(candles.open_time[-1]) + 1
                for key in months_between(int(candles.open_time[0]), end):
                    fresh = between(candles, month_start(key), month_start(next_month(key)))
                    changed += self._merge_month(manifest, key, fresh)
            manifest.covered = merge_spans([*manifest.covered, covered])
            manifest.archives.update(archives or {})
        return changed

    def _merge_month(self, manifest: Manifest, key: str, fresh: Candles) -> int:
        if not len(fresh):
            return 0
        changed = 0
        if key in manifest.months:
            try:
                old = self._open_month(manifest, key)
            except DataError as error:
                raise self._broken(error) from error
            both, old_at, fresh_at = np.intersect1d(
                old.open_time, fresh.open_time, assume_unique=True, return_indices=True
            )
            if len(both):
                differs = np.zeros(len(both), dtype=np.bool_)
                for name in arrow_io.PRICE_COLUMNS:
                    differs |= getattr(old, name)[old_at] != getattr(fresh, name)[fresh_at]
                changed = int(differs.sum())
            kept = take(old, np.setdiff1d(np.arange(len(old)), old_at, assume_unique=True))
            merged = concatenate([kept, fresh])
            fresh = take(merged, np.argsort(merged.open_time, kind="stable"))
        digest = content_digest(fresh)
        size = arrow_io.write_candles(self._month_file(key, digest), fresh, {"sha256": digest})
        manifest.months[key] = Month(
            len(fresh), int(fresh.open_time[0]), int(fresh.open_time[-1]), size, digest
        )
        return changed

    def month_path(self, key: str) -> Path:
        """목록에 든 달의 파일."""
        return self._month_file(key, self.manifest().months[key].sha256)

    def _open_month(self, manifest: Manifest, key: str) -> Candles:
        month = manifest.months[key]
        path = self._month_file(key, month.sha256)
        candles = arrow_io.open_candles(path, rows=month.rows)
        if content_digest(candles) != month.sha256:
            raise DataError(
                f"{path}의 내용이 지문과 다릅니다",
                "파일이 바뀌었거나 디스크가 상했습니다",
                self._repair,
            )
        return candles

    def read(self, start_ms: int, end_ms: int) -> Candles:
        """[start_ms, end_ms)의 봉(빈 봉은 채우지 않았다). 깨진 달이 있으면 DataError."""
        try:
            try:
                parts = self._open_months(start_ms, end_ms)
            except DataError:
                # 목록을 읽은 뒤 다른 프로세스가 달을 갈아 끼웠을 수 있다: 새 목록으로 한 번 더.
                parts = self._open_months(start_ms, end_ms)
        except DataError as error:
            raise self._broken(error) from error
        if not parts:
            raise DataError(
                f"{self.symbol}의 캐시에 그 기간의 봉이 없습니다",
                "캐시의 달들이 그 기간에 걸치지 않습니다",
                f"내려받기: python -m optimize.data fetch --symbol {self.symbol}",
            )
        return between(concatenate(parts), start_ms, end_ms)

    def _broken(self, error: DataError) -> DataError:
        return DataError(
            f"{self.symbol}의 캔들 캐시가 깨졌습니다",
            error.title,
            self._repair,
        )

    @property
    def _repair(self) -> str:
        return (
            f"python -m optimize.data check --symbol {self.symbol} --repair 로 깨진 달을 비운 뒤 "
            "다시 내려받거나 들여오세요"
        )

    def _open_months(self, start_ms: int, end_ms: int) -> list[Candles]:
        manifest = self.manifest()
        wanted = [key for key in months_between(start_ms, end_ms) if key in manifest.months]
        return [self._open_month(manifest, key) for key in wanted]

    def identity(self, start_ms: int, end_ms: int) -> str:
        """기간에 걸친 달들의 지문. 파일을 읽지 않는다."""
        manifest = self.manifest()
        keys = [key for key in months_between(start_ms, end_ms) if key in manifest.months]
        joined = ",".join(f"{key}:{manifest.months[key].sha256}" for key in keys)
        return hashlib.sha256(f"{manifest.interval_ms}|{joined}".encode()).hexdigest()

    def broken_months(self) -> list[str]:
        """파일이 없거나 지문이 다른 달들."""
        manifest = self.manifest()
        broken = []
        for key in sorted(manifest.months):
            try:
                self._open_month(manifest, key)
            except DataError:
                broken.append(key)
        return broken

    def drop_months(self, keys: list[str]) -> None:
        """달들을 비우고 확인하지 않은 구간으로 되돌린다."""
        with self._edit() as manifest:
            for key in keys:
                manifest.months.pop(key, None)
                month = (month_start(key), month_start(next_month(key)))
                manifest.covered = [
                    part for span in manifest.covered for part in subtract(span, [month])
                ]
                manifest.archives = {
                    name: digest for name, digest in manifest.archives.items() if key not in name
                }

    def forget(self) -> None:
        """읽을 수 없는 목록을 버린다. 파일들은 다음에 고칠 때 지워진다."""
        with locked(self.folder, _LOCK_SECONDS):
            (self.folder / FILE_NAME).unlink(missing_ok=True)

    def merge_funding(self, funding: FundingSchedule, covered: Span | None = None) -> None:
        """펀딩 기록을 더한다. 같은 시각은 새것으로 바꾼다."""
        with self._edit() as manifest:
            old = self._read_funding(manifest)
            if old is not None:
                kept = ~np.isin(old.time, funding.time)
                times = np.concatenate([old.time[kept], funding.time])
                rates = np.concatenate([old.rate[kept], funding.rate])
                order = np.argsort(times, kind="stable")
                funding = FundingSchedule(times[order], rates[order])
            if len(funding):
                digest = funding_digest(funding)
                size = arrow_io.write_funding(self._funding_file(digest), funding)
                manifest.funding = Month(
                    len(funding), int(funding.time[0]), int(funding.time[-1]), size, digest
                )
                span = covered or (int(funding.time[0]), int(funding.time[-1]) + 1)
                manifest.funding_covered = merge_spans([*manifest.funding_covered, span])

    def funding(self) -> FundingSchedule | None:
        """캐시의 펀딩 기록. 없으면 None, 깨졌으면 DataError."""
        return self._read_funding(self.manifest())

    def _read_funding(self, manifest: Manifest) -> FundingSchedule | None:
        if manifest.funding is None:
            return None
        path = self._funding_file(manifest.funding.sha256)
        funding = arrow_io.open_funding(path)
        if funding_digest(funding) != manifest.funding.sha256:
            raise DataError(
                f"{self.symbol}의 펀딩 기록이 깨졌습니다",
                f"{path}의 내용이 지문과 다릅니다",
                f"{self.folder} 폴더를 지우고 다시 내려받거나 들여오세요",
            )
        return funding

    def set_market(self, rules: MarketRules) -> None:
        """거래소의 호가 단위 따위를 적는다."""
        with self._edit() as manifest:
            manifest.market = rules

    def missing(self, start_ms: int, end_ms: int) -> list[Span]:
        """[start_ms, end_ms)에서 확인하지 않은 구간들."""
        return self.manifest().missing(start_ms, end_ms)
