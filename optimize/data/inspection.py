"""점검: 파일이나 캐시의 봉을 살펴 보고한다. 고치지 않는다(깨진 달 비우기만 시키면 한다)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from optimize.data.files import read_raw
from optimize.data.manifest import FILE_NAME, read_manifest
from optimize.data.quality import MISSING_WARNING, Quality, assess, detect_interval
from optimize.data.store import SymbolStore
from optimize.data.symbols import Symbol, symbol_of_slug
from optimize.errors import DataError


@dataclass(frozen=True, slots=True)
class Inspection:
    """점검 하나의 결과. broken: 파일이 없거나 내용이 지문과 다른 달들(목록이 깨졌으면 그 파일).

    cause: 목록을 읽지 못한 까닭.
    """

    name: str
    quality: Quality | None
    recognised: str = ""
    broken: list[str] = field(default_factory=list)
    repaired: bool = False
    cause: str = ""

    def to_json(self) -> dict[str, object]:
        """기계가 읽는 꼴."""
        return {
            "name": self.name,
            "recognised": self.recognised,
            "quality": self.quality.to_json() if self.quality else None,
            "broken_months": self.broken,
            "repaired": self.repaired,
        }

    def lines(self) -> list[str]:
        """사람이 읽는 보고."""
        body = [self.name]
        if self.recognised:
            body.append(f"알아본 것   {self.recognised}")
        if self.quality is not None:
            body += self.quality.lines()
            body.append(f"판정        {self._verdict(self.quality)}")
        if self.broken:
            done = (
                "비웠습니다. 다시 받거나 들이세요"
                if self.repaired
                else "--repair 로 비울 수 있습니다"
            )
            body.append(f"깨진 것     {', '.join(self.broken)} ({done})")
        if self.cause:
            body.append(f"까닭        {self.cause}")
        return body

    @staticmethod
    def _verdict(quality: Quality) -> str:
        if quality.clean:
            return "흠이 없습니다"
        advice = []
        if quality.off_grid:
            advice.append(
                "격자를 벗어난 시각은 --floor-times(data.floor_off_grid)를 켜야 쓸 수 있습니다"
            )
        if quality.missing_ratio > MISSING_WARNING:
            advice.append("빈 봉이 0.1 %를 넘습니다. 그 구간의 결과는 믿기 어렵습니다")
        elif quality.missing:
            advice.append("빈 봉은 직전 종가로 채우며 그 봉에서는 진입하지 않습니다")
        if quality.impossible:
            advice.append("불가능한 봉은 버리고 빈 봉으로 다룹니다")
        if quality.duplicates:
            advice.append("겹친 시각은 뒤의 것을 씁니다")
        return ". ".join(advice)


def inspect_file(path: Path, columns: Mapping[str, str] | None = None) -> Inspection:
    """파일을 점검한다. 읽을 수 없거나 애매하면 DataError."""
    raw, recognised = read_raw(path, columns)
    return Inspection(str(path), assess(raw, detect_interval(raw.open_time)), recognised.line())


def cached_symbols(cache_dir: Path) -> list[Symbol]:
    """봉이 든 심볼들과 목록이 깨진 심볼들, 이름순."""
    found = []
    for path in sorted(cache_dir.glob(f"*/{FILE_NAME}")):
        symbol = symbol_of_slug(path.parent.name)
        if symbol is None:
            continue  # 이 캐시가 만든 폴더가 아니다
        try:
            manifest = read_manifest(path.parent)
        except DataError:
            found.append(symbol)
        else:
            found += [symbol] if manifest is not None and manifest.months else []
    return found


def inspect_cache(cache_dir: Path, symbol: Symbol, *, repair: bool) -> Inspection:
    """캐시의 심볼을 점검한다. 캐시에 없으면 DataError."""
    store = SymbolStore(cache_dir, symbol)
    try:
        store.manifest()
    except DataError as error:
        if repair:
            store.forget()
        return Inspection(
            f"{symbol} (캐시)", None, broken=[FILE_NAME], repaired=repair, cause=error.cause
        )
    if not store.manifest().months:
        raise DataError(
            f"{symbol}이(가) 캐시에 없습니다",
            "받거나 들인 캔들이 없습니다",
            "python -m optimize.data list 로 든 심볼을 보세요",
        )
    broken = store.broken_months()
    name = f"{symbol} (캐시, {store.manifest().source})"
    if broken and repair:
        store.drop_months(broken)
    if broken and not repair:
        return Inspection(name, None, broken=broken)
    manifest = store.manifest()
    period = manifest.period
    quality = assess(store.read(*period), manifest.interval_ms) if period else None
    return Inspection(name, quality, broken=broken, repaired=bool(broken and repair))
