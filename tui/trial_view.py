"""표에 보일 시행의 차례: 정렬, 거르기, 멈춤. Textual을 모르는 순수한 값이다.

시행이 하나 들어올 때 O(log n)의 비교로 제자리를 찾는다. 값이 없는 시행은 늘 뒤로 간다.
"""

from __future__ import annotations

import operator
import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence

from tui.run_model import METRIC_COLUMNS, StudyState, TrialRow
from tui.text import run as ko

NEWEST = -1
_NUMBER, _CELL, _STATE, _SCORE, _IN_SAMPLE, _OUT_OF_SAMPLE = range(6)
_FIRST_METRIC = 6
_DURATION = _FIRST_METRIC + len(METRIC_COLUMNS)
COLUMN_COUNT = _DURATION + 1
SCORE_COLUMN = _SCORE
# 검증이 있는 스터디에만 보이는 열.
VALIDATION_COLUMNS = (_IN_SAMPLE, _OUT_OF_SAMPLE)
_STATE_ORDER = {"COMPLETE": 0, "PRUNED": 2, "FAIL": 3}

Key = tuple[int, float, int]
Predicate = Callable[[TrialRow], bool]

_CONDITION = re.compile(r"([^\s<>=!]+)(>=|<=|!=|>|<|=)(-?\d+(?:\.\d+)?)")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


class FilterError(ValueError):
    """읽을 수 없는 거르기. 메시지는 한국어 한 줄이다."""


def state_text(row: TrialRow) -> str:
    """상태의 말. 조건을 어긴 완료는 따로 말한다."""
    if row.state == "COMPLETE" and not row.feasible:
        return ko.INFEASIBLE
    return ko.TRIAL_STATES.get(row.state, row.state)


def column_value(row: TrialRow, column: int) -> float | None:
    """열의 값(수). 칸과 상태는 정렬을 위한 수다. 없으면 None."""
    if column == _NUMBER:
        return row.number
    if column == _CELL:
        return row.study
    if column == _STATE:
        return _STATE_ORDER.get(row.state, 4) + (
            0 if row.feasible or row.state != "COMPLETE" else 1
        )
    if column == _SCORE:
        return row.score
    if column == _IN_SAMPLE:
        return row.in_sample
    if column == _OUT_OF_SAMPLE:
        return row.out_of_sample
    if column == _DURATION:
        return row.duration_ms
    return row.metrics[column - _FIRST_METRIC]


def parse_filter(text: str, studies: Sequence[StudyState]) -> Predicate | None:
    """`1m@15m 완료 거래>=100 sharpe>1`을 조건으로. 비었으면 None. 틀리면 FilterError.

    낱말은 번호·칸·상태의 글에 들어 있어야 하고, 비교는 열의 이름이나 지표의 이름으로 한다.
    """
    checks: list[Predicate] = []
    for word in text.split():
        condition = _CONDITION.fullmatch(word)
        if condition is not None:
            checks.append(_comparison(*condition.groups()))
        elif re.search(r"[<>=]", word):
            raise FilterError(ko.BAD_FILTER.format(text=word))
        else:
            checks.append(_word(word.lower(), studies))
    return (lambda row: all(check(row) for check in checks)) if checks else None


def _comparison(name: str, sign: str, number: str) -> Predicate:
    column = _column_named(name)
    if column is None:
        raise FilterError(ko.BAD_FILTER.format(text=name))
    compare, limit = _OPERATORS[sign], float(number)

    def check(row: TrialRow) -> bool:
        value = column_value(row, column)
        return value is not None and compare(value, limit)

    return check


def _column_named(name: str) -> int | None:
    wanted = name.lower().rstrip("%")
    for column, title in enumerate(ko.COLUMNS):
        if title.lower().rstrip("%") == wanted:
            return column
    for position, metric in enumerate(METRIC_COLUMNS):
        if wanted in (metric, metric.removesuffix("_pct")):
            return _FIRST_METRIC + position
    return None


def _word(word: str, studies: Sequence[StudyState]) -> Predicate:
    def check(row: TrialRow) -> bool:
        return (
            word == str(row.number)
            or word in studies[row.study].cell.lower()
            or word in state_text(row).replace(" ", "")
        )

    return check


class TrialView:
    """시행들의 보이는 차례. rows는 model의 목록을 그대로 가리킨다."""

    def __init__(self, rows: Sequence[TrialRow]) -> None:
        self._rows = rows
        self._keys: list[Key] = []
        self._predicate: Predicate | None = None
        self._limit: int | None = None
        self.column = NEWEST
        self.descending = True

    def __len__(self) -> int:
        return len(self._keys)

    def row_at(self, position: int) -> int:
        """보이는 자리 → 줄 번호."""
        return -self._keys[position][2]

    def position_of(self, row: int) -> int | None:
        """줄 번호 → 보이는 자리. 걸러졌으면 None."""
        key = self._key(row)
        position = bisect_left(self._keys, key)
        found = position < len(self._keys) and self._keys[position] == key
        return position if found else None

    def add(self, rows: Iterable[int]) -> None:
        """새로 들어온 줄들을 제자리에 넣는다."""
        kept = [row for row in rows if self._shows(row)]
        if len(kept) > 200:
            # 한꺼번에 많이 오면(다시 붙을 때) 넣기보다 정렬이 빠르다.
            self._keys += [self._key(row) for row in kept]
            self._keys.sort()
        else:
            for row in kept:
                insort(self._keys, self._key(row))

    def sort_by(self, column: int, descending: bool) -> None:
        """열로 정렬한다. NEWEST는 들어온 차례."""
        self.column, self.descending = column, descending
        self.rebuild()

    def filter_by(self, predicate: Predicate | None) -> None:
        """거르기를 바꾼다."""
        self._predicate = predicate
        self.rebuild()

    def freeze(self, frozen: bool) -> None:
        """멈추면 그 뒤에 온 시행은 다시 늘어놓아도 보이지 않는다."""
        self._limit = len(self._rows) if frozen else None
        if not frozen:
            self.rebuild()

    def rebuild(self) -> None:
        """처음부터 다시 늘어놓는다(값이 바뀌었거나 보기 멈춤을 풀 때)."""
        count = len(self._rows) if self._limit is None else self._limit
        self._keys = sorted(self._key(row) for row in range(count) if self._shows(row))

    def _shows(self, row: int) -> bool:
        return self._predicate is None or self._predicate(self._rows[row])

    def _key(self, row: int) -> Key:
        trial = self._rows[row]
        value = float(row) if self.column == NEWEST else column_value(trial, self.column)
        if value is None:
            return (2, 0.0, -row)
        # 점수로 볼 때 조건을 어긴 시행은 아무리 높아도 만족한 시행의 뒤다.
        rank = 1 if self.column == _SCORE and not trial.feasible else 0
        # 같은 값이면 새것이 앞이다: 줄 번호를 뒤집어 넣는다.
        return (rank, -value if self.descending else value, -row)
