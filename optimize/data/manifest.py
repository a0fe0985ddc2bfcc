"""캐시의 목록(manifest.json). 표준 라이브러리만 쓴다: 화면이 pyarrow 없이 캐시를 보여 준다.

심볼 하나가 폴더 하나 `data/<slug>/`이고, 달마다 Arrow 파일 하나가 곁에 있다.
covered는 거래소나 파일에서 확인한 구간들이다: 그 안에 봉이 없으면 정말로 없는 것이다.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optimize.data.atomic import atomic_file
from optimize.errors import DataError

VERSION = 1
FILE_NAME = "manifest.json"
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Month:
    """한 달의 파일. first_ms·last_ms: 첫 봉과 마지막 봉을 여는 시각. sha256: 내용의 지문."""

    rows: int
    first_ms: int
    last_ms: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class MarketRules:
    """거래소가 정한 호가 단위, 수량 단위, 최소 주문 금액. 모르면 None."""

    tick_size: float | None = None
    step_size: float | None = None
    min_notional: float | None = None


@dataclass(slots=True)
class Manifest:
    """한 심볼의 캐시. covered: 확인한 구간 [시작, 끝) UTC ms, 시간순으로 겹치지 않는다.

    archives: 거래소 zip의 이름 → sha256(다시 올라온 달을 알아본다). funding_covered: 펀딩을 확인한 구간들.
    """

    symbol: str
    interval_ms: int = 60_000
    source: str = ""
    covered: list[Span] = field(default_factory=list)
    months: dict[str, Month] = field(default_factory=dict)
    archives: dict[str, str] = field(default_factory=dict)
    funding: Month | None = None
    funding_covered: list[Span] = field(default_factory=list)
    market: MarketRules = field(default_factory=MarketRules)
    updated_at: str = ""

    @property
    def rows(self) -> int:
        """봉의 수."""
        return sum(month.rows for month in self.months.values())

    @property
    def period(self) -> Span | None:
        """첫 봉부터 마지막 봉의 끝까지, UTC ms. 봉이 없으면 None."""
        if not self.months:
            return None
        return self.months[min(self.months)].first_ms, (
            self.months[max(self.months)].last_ms + self.interval_ms
        )

    @property
    def held(self) -> list[Span]:
        """봉이 있는 기간 안의 확인한 구간들, 시간순."""
        period = self.period
        if period is None:
            return []
        clipped = ((max(a, period[0]), min(b, period[1])) for a, b in self.covered)
        return [(a, b) for a, b in clipped if a < b]

    def missing(self, start_ms: int, end_ms: int) -> list[Span]:
        """[start_ms, end_ms)에서 확인하지 않은 구간들."""
        return subtract((start_ms, end_ms), self.covered)


@dataclass(frozen=True, slots=True)
class CachedSymbol:
    """캐시에 든 심볼 하나. start_ms·end_ms: 봉이 있는 기간(끝 미포함). bytes: 디스크 크기.

    spans: 그 기간에 확인한 구간의 수. 2 이상이면 사이에 받지 않은 곳이 있다.
    """

    symbol: str
    slug: str
    source: str
    interval_ms: int
    start_ms: int
    end_ms: int
    bars: int
    bytes: int
    has_funding: bool
    updated_at: str
    spans: int = 1


def read_manifest(folder: Path) -> Manifest | None:
    """폴더의 목록. 없으면 None, 읽을 수 없으면 DataError."""
    try:
        body = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        if body.pop("version") != VERSION:
            raise ValueError("판이 다릅니다")
        return Manifest(
            **{
                **body,
                "covered": [(start, end) for start, end in body["covered"]],
                "funding_covered": [(start, end) for start, end in body["funding_covered"]],
                "months": {key: Month(**month) for key, month in body["months"].items()},
                "funding": Month(**body["funding"]) if body["funding"] else None,
                "market": MarketRules(**body["market"]),
            }
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"캔들 캐시의 목록을 읽을 수 없습니다: {folder / FILE_NAME}",
            f"{type(error).__name__}: {error}",
            f"{folder} 폴더를 지우고 다시 내려받거나 들여오세요",
        ) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """목록을 원자적으로 적는다."""
    manifest.updated_at = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder / FILE_NAME, {"version": VERSION, **asdict(manifest)})


def write_json(path: Path, body: dict[str, Any]) -> None:
    """JSON을 임시 파일과 `os.replace`로 원자적으로 적는다. 쓰지 못하면 DataError."""
    with atomic_file(path) as file:
        file.write(json.dumps(body, ensure_ascii=False, indent=1).encode())


def list_cached(cache_dir: Path) -> list[CachedSymbol]:
    """캐시에 든 심볼들, 이름순. 읽을 수 없는 폴더는 건너뛴다(`check`가 알린다)."""
    found = []
    for path in sorted(cache_dir.glob(f"*/{FILE_NAME}")):
        try:
            manifest = read_manifest(path.parent)
        except DataError:
            continue
        period = manifest.period if manifest else None
        if manifest is None or period is None:
            continue
        size = sum(month.bytes for month in manifest.months.values())
        found.append(
            CachedSymbol(
                symbol=manifest.symbol,
                slug=path.parent.name,
                source=manifest.source,
                interval_ms=manifest.interval_ms,
                start_ms=period[0],
                end_ms=period[1],
                bars=manifest.rows,
                bytes=size + (manifest.funding.bytes if manifest.funding else 0),
                has_funding=manifest.funding is not None,
                updated_at=manifest.updated_at,
                spans=len(manifest.held),
            )
        )
    return found


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """구간들을 시간순으로 합친다. 맞닿은 구간은 하나가 된다."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def subtract(span: Span, covered: Iterable[Span]) -> list[Span]:
    """span에서 covered를 뺀 구간들. covered는 시간순이고 겹치지 않는다."""
    left, start = [], span[0]
    for covered_start, covered_end in covered:
        if covered_end <= start:
            continue
        if covered_start >= span[1]:
            break
        if covered_start > start:
            left.append((start, covered_start))
        start = max(start, covered_end)
    if start < span[1]:
        left.append((start, span[1]))
    return left
