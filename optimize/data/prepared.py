"""준비된 자료: 빈틈없이 채운 바탕 봉과 그것을 묶은 LTF·HTF 봉, HTF가 보이는 때의 색인.

내용으로 정해지는 이름의 폴더 `<cache_dir>/.prepared/<key>/`에 한 번만 만들어 두고 모든 작업자가
memory map한다. 다시 쓸 때마다 파일의 crc32를 확인하며, 깨진 것은 새로 만든다.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optimize.data import arrow_io
from optimize.data.dataset import Candles, DatasetRef, FundingSchedule
from optimize.data.locks import locked
from optimize.data.manifest import MarketRules, write_json
from optimize.data.period import DAY_MS
from optimize.data.quality import fill_gaps
from optimize.data.resample import base_offsets, resample, visible_htf
from optimize.data.store import content_digest, funding_digest
from optimize.data.symbols import Symbol
from optimize.data.timeframes import MINUTE_MS, Cell, Timeframe
from optimize.errors import DataError

# 손질·묶기의 규칙이 바뀌면 올린다: 옛 파일을 쓰지 않게 된다.
FORMAT = 1
_META = "meta.json"
_META_KEYS = {"format", "interval_ms", "content", "notes", "files"}
_LOCK_SECONDS = 600


@dataclass(frozen=True, slots=True)
class LoadedBase:
    """읽어 온 바탕 봉. candles: 손질했으되 채우지 않은 것. notes: 자료의 흠."""

    candles: Candles
    interval_ms: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BaseSource:
    """바탕 봉이 오는 곳. identity: 내용을 정하는 지문(같으면 같은 봉). load: 없을 때만 부른다."""

    identity: str
    label: str
    load: Callable[[], LoadedBase]
    funding: FundingSchedule | None = None
    market: MarketRules = field(default_factory=MarketRules)
    notes: tuple[str, ...] = ()


def prepare_cells(
    cache_dir: Path, symbol: Symbol, cells: Sequence[Cell], source: BaseSource
) -> list[DatasetRef]:
    """칸마다의 파일을 마련하고 DatasetRef를 준다. 만들 수 없는 칸은 DataError."""
    funding_print = funding_digest(source.funding) if source.funding is not None else ""
    key = _hash(FORMAT, source.identity, funding_print)[:32]
    folder = cache_dir / ".prepared" / key
    with locked(folder, _LOCK_SECONDS):
        prepared = _PreparedFolder(folder, source, funding_print)
        try:
            refs = [prepared.ref(symbol, cell) for cell in cells]
        finally:
            prepared.save()
    # 오래 쓰지 않은 것을 `clean`이 알아보게 한다.
    os.utime(folder)
    return refs


class _PreparedFolder:
    """잠근 폴더 하나. 있는 파일은 확인해 쓰고 없는 파일은 만든다."""

    def __init__(self, folder: Path, source: BaseSource, funding_print: str) -> None:
        self.folder = folder
        self.source = source
        self.funding_print = funding_print
        self.meta = self._load_meta()
        self.changed = False
        if self.meta is None or not self._intact("base.arrow"):
            self._build_base()
        self._candles: dict[str, Candles] = {}
        if source.funding is not None and not self._intact("funding.arrow"):
            arrow_io.write_funding(folder / "funding.arrow", source.funding)
            self._record("funding.arrow")

    def _load_meta(self) -> dict[str, Any] | None:
        try:
            meta = json.loads((self.folder / _META).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        usable = isinstance(meta, dict) and meta.get("format") == FORMAT and set(meta) == _META_KEYS
        return meta if usable and isinstance(meta["files"], dict) else None

    def _build_base(self) -> None:
        loaded = self.source.load()
        base = fill_gaps(loaded.candles, loaded.interval_ms)
        arrow_io.write_candles(self.folder / "base.arrow", base)
        self.meta = {
            "format": FORMAT,
            "interval_ms": loaded.interval_ms,
            "content": content_digest(base),
            "notes": list(loaded.notes),
            "files": {},
        }
        self._record("base.arrow")

    def _record(self, name: str) -> None:
        assert self.meta is not None  # noqa: S101 — _build_base 뒤에만 부른다
        path = self.folder / name
        self.meta["files"][name] = {"crc32": _crc32(path), "bytes": path.stat().st_size}
        self.changed = True

    def _intact(self, name: str) -> bool:
        recorded = self.meta["files"].get(name) if self.meta else None
        path = self.folder / name
        try:
            return (
                recorded is not None
                and path.stat().st_size == recorded["bytes"]
                and _crc32(path) == recorded["crc32"]
            )
        except (OSError, TypeError, KeyError):
            return False

    def save(self) -> None:
        """바뀐 것이 있으면 목록을 적는다."""
        if self.changed and self.meta is not None:
            write_json(self.folder / _META, self.meta)

    @property
    def interval_ms(self) -> int:
        assert self.meta is not None  # noqa: S101
        return int(self.meta["interval_ms"])

    def candles(self, timeframe: Timeframe) -> tuple[str, Candles]:
        """그 시간 단위의 봉과 파일 이름."""
        name = "base.arrow" if timeframe.ms == self.interval_ms else f"{timeframe}.arrow"
        if name not in self._candles:
            if name != "base.arrow" and not self._intact(name):
                _, base = self.candles(Timeframe(self.interval_ms // MINUTE_MS))
                arrow_io.write_candles(
                    self.folder / name, resample(base, self.interval_ms, timeframe)
                )
                self._record(name)
            self._candles[name] = arrow_io.open_candles(self.folder / name)
        return name, self._candles[name]

    def ref(self, symbol: Symbol, cell: Cell) -> DatasetRef:
        """칸 하나의 DatasetRef."""
        assert self.meta is not None  # noqa: S101
        interval = self.interval_ms
        if cell.ltf.ms % interval:
            raise DataError(
                f"{Timeframe(interval // MINUTE_MS)} 캔들로 {cell} 칸을 만들 수 없습니다",
                f"LTF {cell.ltf}이(가) 캔들 간격의 정수배가 아닙니다 ({self.source.label})",
                "시간 격자를 바꾸거나 더 고운 캔들을 쓰세요",
            )
        ltf_name, ltf = self.candles(cell.ltf)
        if len(ltf) < 2:
            raise self._too_short(cell, cell.ltf)
        paths: dict[str, str] = {"ltf_path": self._path(ltf_name)}
        if cell.htf is not None:
            htf_name, htf = self.candles(cell.htf)
            if not len(htf):
                raise self._too_short(cell, cell.htf)
            name = f"{cell}.htf_index.arrow"
            if not self._intact(name):
                index = visible_htf(ltf.open_time, cell.ltf.ms, htf.open_time, cell.htf.ms)
                arrow_io.write_columns(self.folder / name, {"htf_index": index})
                self._record(name)
            paths |= {"htf_path": self._path(htf_name), "htf_index_path": self._path(name)}
        if cell.ltf.ms > interval:
            base_name, base = self.candles(Timeframe(interval // MINUTE_MS))
            name = f"{cell.ltf}.base_start.arrow"
            if not self._intact(name):
                offsets = base_offsets(ltf.open_time, cell.ltf.ms, base.open_time)
                arrow_io.write_columns(self.folder / name, {"base_start": offsets})
                self._record(name)
            paths |= {"base_path": self._path(base_name), "base_start_path": self._path(name)}
        if self.source.funding is not None:
            paths["funding_path"] = self._path("funding.arrow")
        market = self.source.market
        return DatasetRef(
            symbol=str(symbol),
            cell=str(cell),
            start_ms=int(ltf.open_time[0]),
            end_ms=int(ltf.open_time[-1]) + cell.ltf.ms,
            fingerprint=_hash(FORMAT, symbol, cell, self.meta["content"], self.funding_print),
            source=self.source.label,
            is_demo=symbol.is_demo,
            bars=len(ltf),
            filled_bars=int(ltf.filled.sum()),
            base_interval_ms=interval,
            tick_size=market.tick_size,
            step_size=market.step_size,
            min_notional=market.min_notional,
            notes=(*self.source.notes, *self.meta["notes"]),
            **paths,
        )

    def _path(self, name: str) -> str:
        return str(self.folder / name)

    def _too_short(self, cell: Cell, timeframe: Timeframe) -> DataError:
        _, base = self.candles(Timeframe(self.interval_ms // MINUTE_MS))
        days = len(base) * self.interval_ms / DAY_MS
        return DataError(
            f"기간이 너무 짧아 {cell} 칸을 만들 수 없습니다",
            f"{days:.2f}일의 캔들로는 온전한 {timeframe} 봉이 모자랍니다 ({self.source.label})",
            "--start 와 --end 로 더 긴 기간을 고르거나 더 짧은 시간 단위를 쓰세요",
        )


def _hash(*parts: object) -> str:
    return hashlib.sha256("|".join(str(part) for part in parts).encode()).hexdigest()


def _crc32(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            value = zlib.crc32(chunk, value)
    return value
