"""집계하는 문장들의 조각: 시행을 고르는 조건, 값의 수, 제약을 어기지 않았다는 조건."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress

from optimize.storage.dbapi import Rows

# 제약 JSON에 0보다 큰 값이나 NaN이 있는가. 값은 Python json의 글이라 0이 아닌 수는 1-9를 담는다. true는 1이다
# (constraints_func가 `x > 3`을 준 것).
_VIOLATED = r"(^|[\[,])\s*(Infinity|NaN|true|[0-9.]*[1-9])"
_IS_CONSTRAINT = "(a.key = 'constraints' OR substr(a.key, 1, 12) = 'constraints:')"
# 글의 차례만 견주어도 제약을 어긴 것(0보다 큰 수)을 안다: 0.1 이상 0.9…까지, 1부터 9…까지(':'는 '9'의 다음
# 글자), 0.01 이상 0.09…까지. Python은 0.0001보다 작은 수를 1e-05처럼 쓴다. 0은 어느 구간에도 없다.
_LEAST = "0.0001"
_POSITIVE = (("0.1", "0.:"), ("1", ":"), ("0.01", "0.0:"), ("0.001", "0.00:"), (_LEAST, "0.000:"))


def where(ids: Iterable[int] | None, word: str = "WHERE") -> str:
    """시행 t가 ids(None이면 모두)의 것이라는 조건."""
    return "" if ids is None else f" {word} t.study_id IN ({ints(ids)})"


def ints(ids: Iterable[int]) -> str:
    """IN 안에 넣을 수들."""
    return ", ".join(str(int(item)) for item in ids)


def value_of(db: Rows) -> str:
    """값 v의 수. 무한대는 비어 있고 종류로만 적혀 있다."""
    infinity = "'Infinity'::float8" if db.backend == "postgresql" else "9e999"
    return (
        f"coalesce(v.value, CASE v.value_type WHEN 'INF_POS' THEN {infinity}"
        f" WHEN 'INF_NEG' THEN -{infinity} END)"
    )


def feasible(db: Rows, alias: str, *, gather: bool) -> str:
    """alias의 trial_id가 제약을 어기지 않았다는 조건(AND로 시작한다).

    gather: 어긴 것을 한 번에 모은다(거의 모든 시행을 볼 때). 아니면 시행마다 색인으로 찾는다.
    """
    rows = f"FROM trial_system_attributes a WHERE {_IS_CONSTRAINT} AND ({_plainly(db)} OR "
    mine = f" AND a.trial_id = {alias}.trial_id"
    if db.backend == "postgresql":
        test = f"{rows}a.value_json ~ '{_VIOLATED}')"
        if gather:
            return f" AND NOT EXISTS (SELECT 1 {test}{mine})"
        # 세면 언제나 시행마다 색인으로 찾는다: NOT EXISTS는 구간마다 테이블을 통째로 모으기도 한다.
        return f" AND (SELECT count(*) {test}{mine}) = 0"
    # 정규식은 Python을 부른다: 꼴만 보고 알 수 있는 것은 부르지 않는다. '0.0'을 지워도 0이 아닌 수는 남는다.
    text = "' ' || replace(a.value_json, '0.0', '')"
    surely = f"{text} GLOB '*[[ ][1-9INt]*' OR {text} GLOB '*[[ ]0.[1-9]*'"
    maybe = f"{text} GLOB '*[^-.0-9][0-9INt]*' AND a.value_json REGEXP '{_VIOLATED}'"
    test = f"{rows}{surely} OR {maybe})"
    if gather:
        return f" AND {alias}.trial_id NOT IN (SELECT a.trial_id {test})"
    return f" AND NOT EXISTS (SELECT 1 {test}{mine})"


def plainly_violated(db: Rows, places: Iterable[int] = (0,)) -> str:
    """제약을 어긴 것이 글의 차례만으로 드러난 행들(FROM부터). 드러나지 않은 어긴 것이 남을 수 있다.

    places: 살필 제약의 자리. 첫째(0)가 아닌 것은 PostgreSQL에서만 살핀다.
    """
    tests = [_plainly(db), *(_plainly_at(place) for place in places if place)]
    return f"FROM trial_system_attributes a WHERE {_IS_CONSTRAINT} AND ({' OR '.join(tests)})"


def _plainly(db: Rows) -> str:
    text = "a.value_json" + (' COLLATE "C"' if db.backend == "postgresql" else "")
    # 목록이거나 수 하나다. '['는 ':'보다 크다.
    return f"{_positive(text, '[')} OR {text} < ':' AND {_positive(text, '')}"


def _plainly_at(place: int) -> str:
    return _positive(f"split_part(a.value_json, ', ', {place + 1}) COLLATE \"C\"", "")


def _positive(text: str, head: str) -> str:
    ranges = (f"{text} >= '{head}{low}' AND {text} < '{head}{high}'" for low, high in _POSITIVE)
    return f"{text} >= '{head}{_LEAST}' AND ({' OR '.join(ranges)})"


def constraint_texts(db: Rows, trial_ids: Sequence[int]) -> dict[int, list[str]]:
    """제약이 적힌 시행 → 그 JSON 글들."""
    found: dict[int, list[str]] = defaultdict(list)
    if not trial_ids:
        return found
    rows = (
        "SELECT a.trial_id, a.value_json FROM trial_system_attributes a"  # noqa: S608
        f" WHERE {_IS_CONSTRAINT} AND a.trial_id"
    )
    sql = f"{rows} IN ({ints(trial_ids)})"
    if db.backend == "postgresql":
        # 통계가 아직 없는 테이블을 통째로 훑지 않게: OFFSET 0은 시행마다 색인으로 찾게 한다.
        wanted = ", ".join(f"({int(item)})" for item in trial_ids)
        sql = (
            f"SELECT x.* FROM (VALUES {wanted}) w(trial_id)"  # noqa: S608
            f" CROSS JOIN LATERAL ({rows} = w.trial_id OFFSET 0) x"
        )
    for trial_id, text in db(sql):
        found[trial_id].append(text)
    return found


def is_violated(texts: Iterable[str]) -> bool:
    """그 JSON 글들 가운데 제약을 어긴 것이 있는가."""
    return any(re.search(_VIOLATED, text) for text in texts)


def violated_places(texts: Iterable[str]) -> set[int]:
    """그 JSON 글들에서 어긴 제약의 자리들. 글이 수 하나면 0이다."""
    found: set[int] = set()
    for text in texts:
        with suppress(ValueError, TypeError):
            values = json.loads(text)
            listed = values if isinstance(values, list) else [values]
            found |= {place for place, value in enumerate(listed) if not value <= 0}
    return found
