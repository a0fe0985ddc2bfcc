"""집계하는 문장들의 조각: 시행을 고르는 조건, 값의 수, 제약을 어기지 않았다는 조건."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from optimize.storage.dbapi import Rows

# 제약 JSON에 0보다 큰 값이나 NaN이 있는가. 값은 Python json의 글이라 0이 아닌 수는 1-9를 담는다.
_VIOLATED = r"(^|[\[,])\s*(Infinity|NaN|[0-9.]*[1-9])"
_IS_CONSTRAINT = "(a.key = 'constraints' OR substr(a.key, 1, 12) = 'constraints:')"
# 글의 차례만 견주어도 첫 제약을 어긴 것을 안다: [0.1 이상 0.9…까지, 1부터 9…까지('/' '0' … '9' ':').
_PLAINLY_VIOLATED = (("[0.1", "[0.:"), ("[1", "[:"), ("0.1", "0.:"), ("1", ":"))


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
    binary = ' COLLATE "C"' if db.backend == "postgresql" else ""
    plainly = " OR ".join(
        f"(a.value_json >= '{low}'{binary} AND a.value_json < '{high}'{binary})"
        for low, high in _PLAINLY_VIOLATED
    )
    rows = f"FROM trial_system_attributes a WHERE {_IS_CONSTRAINT} AND ({plainly} OR "
    mine = f" AND a.trial_id = {alias}.trial_id"
    if db.backend == "postgresql":
        test = f"{rows}a.value_json ~ '{_VIOLATED}')"
        if gather:
            return f" AND NOT EXISTS (SELECT 1 {test}{mine})"
        # 세면 언제나 시행마다 색인으로 찾는다: NOT EXISTS는 구간마다 테이블을 통째로 모으기도 한다.
        return f" AND (SELECT count(*) {test}{mine}) = 0"
    # 정규식은 Python을 부른다: 꼴만 보고 알 수 있는 것은 부르지 않는다. '0.0'을 지워도 0이 아닌 수는 남는다.
    text = "' ' || replace(a.value_json, '0.0', '')"
    surely = f"{text} GLOB '*[[ ][1-9IN]*' OR {text} GLOB '*[[ ]0.[1-9]*'"
    maybe = f"{text} GLOB '*[[, ][0-9NI]*' AND a.value_json REGEXP '{_VIOLATED}'"
    test = f"{rows}{surely} OR {maybe})"
    if gather:
        return f" AND {alias}.trial_id NOT IN (SELECT a.trial_id {test})"
    return f" AND NOT EXISTS (SELECT 1 {test}{mine})"


def constraint_texts(db: Rows, trial_ids: Sequence[int]) -> dict[int, list[str]]:
    """제약이 적힌 시행 → 그 JSON 글들."""
    found: dict[int, list[str]] = defaultdict(list)
    if trial_ids:
        for trial_id, text in db(
            "SELECT a.trial_id, a.value_json FROM trial_system_attributes a"  # noqa: S608
            f" WHERE a.trial_id IN ({ints(trial_ids)}) AND {_IS_CONSTRAINT}"
        ):
            found[trial_id].append(text)
    return found


def is_violated(texts: Iterable[str]) -> bool:
    """그 JSON 글들 가운데 제약을 어긴 것이 있는가."""
    return any(re.search(_VIOLATED, text) for text in texts)
