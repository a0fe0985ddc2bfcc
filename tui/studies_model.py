"""스터디 목록의 값: 자식이 준 JSON을 줄로, 거르기와 차례. Textual을 모른다."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tui.cells import plain
from tui.hangul import matches
from tui.run_model import StudyState
from tui.text import common
from tui.text import studies as ko

SORTS = tuple(ko.SORTS)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StudyItem:
    """목록의 한 줄.

    storage: 가린 URL. state: running | idle | empty. best: 최고 점수(유한), 없으면 None.
    described: 우리가 적은 스터디의 지문(심볼, 칸, 전략 …), 다른 도구의 스터디면 비었다.
    """

    name: str
    storage: str
    state: str
    total: int
    complete: int
    pruned: int
    failed: int
    running: int
    best: float | None
    minimize: bool
    updated: datetime | None
    described: Mapping[str, Any] = field(default_factory=dict, compare=False)
    goals: int = 1

    @property
    def key(self) -> str:
        """저장소까지 넣은 이름: 저장소가 다르면 같은 이름이 있을 수 있다."""
        return f"{self.storage}\n{self.name}"

    @property
    def label(self) -> str:
        """글쇠로 칠 수 있는, 화면에 보이는 이름. 보이는 글자가 없으면 escape로 적은 것."""
        return plain(self.name).strip() or repr(self.name)

    @property
    def finished(self) -> int:
        """끝난 시행 수."""
        return self.complete + self.pruned + self.failed

    @property
    def cell(self) -> str:
        """`1m@15m`, 모르면 빈 글."""
        return str(self.described.get("cell", ""))

    @property
    def source(self) -> str:
        """캔들의 출처와 기간, 모르면 빈 글."""
        data = self.described.get("data")
        return f"{data.get('source')}, {data.get('period')}" if isinstance(data, Mapping) else ""

    @property
    def place(self) -> str:
        """저장소를 짧게. 스터디 이름과 같은 SQLite 파일이면 종류만."""
        place = short_place(self.storage)
        return ko.SQLITE if place == f"{ko.SQLITE} {self.name}.db" else place

    @property
    def is_demo(self) -> bool:
        """합성 데모의 스터디인가."""
        return str(self.described.get("symbol", "")).startswith("DEMO:")


@dataclass(frozen=True, slots=True)
class StorageFailure:
    """읽지 못한 저장소(또는 기록)와 그 까닭."""

    storage: str
    title: str
    cause: str
    fix: str


def short_place(storage: str) -> str:
    """가린 URL을 짧게: SQLite면 파일 이름, 서버면 주소와 데이터베이스. URL이 아니면 그대로."""
    scheme, mark, rest = storage.partition("://")
    if not mark:
        return storage
    if scheme.startswith("sqlite"):
        return f"{ko.SQLITE} {rest.rpartition('/')[2]}"
    return f"{ko.POSTGRESQL} {rest.rpartition('@')[2].partition('?')[0]}"


def study_item(body: Mapping[str, Any]) -> StudyItem:
    """`list --lines`의 study 한 줄에서."""
    best, updated = body.get("best_value"), body.get("last_activity")
    attrs = body.get("attrs")
    described = attrs.get("wizard") if isinstance(attrs, Mapping) else None
    directions = body.get("directions")
    return StudyItem(
        name=str(body.get("name", "")),
        storage=str(body.get("storage", "")),
        state=str(body.get("state", "")),
        total=int(body.get("total") or 0),
        complete=int(body.get("n_complete") or 0),
        pruned=int(body.get("n_pruned") or 0),
        failed=int(body.get("n_failed") or 0),
        running=int(body.get("n_running") or 0),
        best=float(best) if isinstance(best, (int, float)) else None,
        minimize=isinstance(directions, list) and directions[:1] == ["minimize"],
        updated=datetime.fromisoformat(updated) if isinstance(updated, str) else None,
        described=described if isinstance(described, Mapping) else {},
        goals=len(directions) if isinstance(directions, list) else 1,
    )


def stored_study(study: StudyState) -> StudyItem:
    """실행 화면의 칸이 쓰는 스터디."""
    counts = (study.done, study.done, 0, 0, 0)
    described = {"cell": study.cell}
    return StudyItem(
        study.name, study.storage, "running", *counts, study.best_value, study.minimize, None,
        described, study.goals,
    )  # fmt: skip


def failure(body: Mapping[str, Any]) -> StorageFailure:
    """`list --lines`의 failure나 note 한 줄에서."""
    if body.get("type") == "note":
        where, _, reason = str(body.get("text", "")).partition(": ")
        return StorageFailure(where, ko.UNREADABLE, reason, "")
    return StorageFailure(*(str(body.get(key, "")) for key in ("storage", "title", "cause", "fix")))


def shown_studies(items: Iterable[StudyItem], query: str, order: str) -> list[StudyItem]:
    """거르고 늘어놓은 목록. order: SORTS 가운데 하나. 점수가 없는 것은 뒤로 간다."""
    kept = [item for item in items if not query.strip() or matches(query, _text(item))]
    kept.sort(key=lambda item: item.name)
    if order == "trials":
        kept.sort(key=lambda item: -item.total)
    elif order == "best":
        kept.sort(key=_best_key)
    elif order == "updated":
        kept.sort(key=lambda item: item.updated or _EARLIEST, reverse=True)
    return kept


def _best_key(item: StudyItem) -> tuple[bool, float]:
    if item.best is None:
        return True, 0.0
    return False, item.best if item.minimize else -item.best


def _text(item: StudyItem) -> str:
    state = ko.STATES.get(item.state, item.state)
    demo = common.DEMO if item.is_demo else ""
    symbol = item.described.get("symbol", "")
    return f"{item.name} {item.cell} {symbol} {demo} {state} {item.storage}"
