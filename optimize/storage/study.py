"""스터디 열기: 이름으로 찾거나 만들고, 방향과 탐색 공간이 이어질 수 있는지 본다."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from optimize.errors import SettingsError, StorageError
from optimize.storage import tables as t
from optimize.storage.append import lock_study
from optimize.storage.summary import (
    compute_summaries,
    read_summaries,
    signature,
    write_summaries,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MAX_NAME = 512
SPACE_ATTRIBUTE = "wizard_space"
_LABELS = {"MAXIMIZE": "최대화", "MINIMIZE": "최소화", "NOT_SET": "정하지 않음"}


@dataclass(frozen=True, slots=True)
class StudyRow:
    """열린 스터디. directions: 'MAXIMIZE' | 'MINIMIZE'."""

    study_id: int
    name: str
    directions: tuple[str, ...]

    @property
    def maximize(self) -> bool | None:
        """한 목표의 방향. 목표가 여럿이면 None."""
        return self.directions[0] == "MAXIMIZE" if len(self.directions) == 1 else None


def open_study(
    connection: Connection,
    name: str,
    directions: Sequence[str],
    distributions: Mapping[str, BaseDistribution],
    user_attrs: Mapping[str, Any],
) -> StudyRow:
    """스터디를 찾거나 만든다(쓰는 트랜잭션 안에서).

    SettingsError: 이름이 비었거나 512자를 넘는다, 방향이나 탐색 공간이 있던 것과 어긋난다.
    StorageError: 데이터베이스의 인코딩이 이름을 담지 못한다.
    """
    check_name(connection, name)
    wanted = tuple(direction.upper() for direction in directions)
    study_id = _find_or_create(connection, name, wanted)
    lock_study(connection, study_id)
    stored = study_directions(connection, study_id)
    if stored != wanted:
        raise SettingsError(
            f"스터디 '{name}'의 목표 방향이 지금 설정과 다릅니다",
            f"저장된 방향 {_describe(stored)}, 지금 설정 {_describe(wanted)}",
            "설정의 방향을 되돌리거나 --study-name으로 새 스터디를 만듭니다",
        )
    space = _merge_space(connection, study_id, name, distributions)
    set_study_attributes(connection, study_id, {**user_attrs, SPACE_ATTRIBUTE: space})
    _ensure_summary(connection, study_id)
    return StudyRow(study_id, name, stored)


def find_study(connection: Connection, name: str) -> StudyRow | None:
    """이름으로 찾는다. 없으면 None."""
    query = sa.select(t.studies.c.study_id).where(t.studies.c.study_name == name)
    study_id = connection.scalar(query)
    if study_id is None:
        return None
    return StudyRow(study_id, name, study_directions(connection, study_id))


def study_directions(connection: Connection, study_id: int) -> tuple[str, ...]:
    """목표들의 방향, 목표 차례로."""
    query = (
        sa.select(t.study_directions.c.direction)
        .where(t.study_directions.c.study_id == study_id)
        .order_by(t.study_directions.c.objective)
    )
    return tuple(connection.scalars(query))


def study_attributes(connection: Connection, study_id: int) -> dict[str, Any]:
    """스터디의 user attribute들."""
    c = t.study_user_attributes.c
    rows = connection.execute(sa.select(c.key, c.value_json).where(c.study_id == study_id))
    return {key: json.loads(text) for key, text in rows}


def set_study_attributes(connection: Connection, study_id: int, attrs: Mapping[str, Any]) -> None:
    """user attribute를 더하거나 갈아 넣는다. 스터디를 잠근 뒤에 부른다."""
    c = t.study_user_attributes.c
    before = study_attributes(connection, study_id)
    changed = {key: value for key, value in attrs.items() if before.get(key, _ABSENT) != value}
    if not changed:
        return
    connection.execute(
        sa.delete(t.study_user_attributes).where(c.study_id == study_id, c.key.in_(list(changed)))
    )
    connection.execute(
        sa.insert(t.study_user_attributes),
        [
            {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
            for key, value in changed.items()
        ],
    )


_ABSENT = object()


def check_name(connection: Connection, name: str) -> None:
    """쓸 수 없는 이름이면 SettingsError, 데이터베이스가 담지 못하면 StorageError."""
    if not name.strip() or len(name) > MAX_NAME:
        raise SettingsError(
            "스터디 이름을 쓸 수 없습니다",
            f"이름은 1자 이상 {MAX_NAME}자 이하입니다(지금 {len(name)}자)",
            "--study-name으로 짧은 이름을 정합니다",
        )
    if connection.dialect.name == "postgresql" and not name.isascii():
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise StorageError(
                "데이터베이스의 인코딩이 한글 이름을 담지 못합니다",
                f"server_encoding이 {encoding}입니다(UTF8이어야 합니다)",
                "CREATE DATABASE optuna ENCODING 'UTF8' TEMPLATE template0;\n"
                "또는 --study-name으로 영문 이름을 정합니다",
            )


def _find_or_create(connection: Connection, name: str, directions: tuple[str, ...]) -> int:
    found = find_study(connection, name)
    if found is not None:
        return found.study_id
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    # 함께 만드는 이가 있으면 그의 commit을 기다렸다가 그의 것을 쓴다.
    created = connection.scalar(
        dialect.insert(t.studies)
        .values(study_name=name)
        .on_conflict_do_nothing(index_elements=["study_name"])
        .returning(t.studies.c.study_id)
    )
    if created is None:
        query = sa.select(t.studies.c.study_id).where(t.studies.c.study_name == name)
        return int(connection.scalars(query).one())
    connection.execute(
        sa.insert(t.study_directions),
        [
            {"direction": direction, "study_id": created, "objective": index}
            for index, direction in enumerate(directions)
        ],
    )
    # SQLite는 지운 스터디의 번호를 다시 쓴다: 다른 도구가 지우며 남긴 행을 치운다.
    for table in t.WIZARD_TABLES:
        connection.execute(sa.delete(table).where(table.c.study_id == created))
    return int(created)


def _ensure_summary(connection: Connection, study_id: int) -> None:
    """요약이 없거나 다른 도구 때문에 어긋났으면 다시 만든다. 스터디를 잠근 뒤에 부른다."""
    stored = read_summaries(connection, study_id).get(study_id)
    if stored is None or (stored.total, stored.unfinished) != signature(connection, study_id):
        write_summaries(connection, compute_summaries(connection, [study_id]))


def _merge_space(
    connection: Connection,
    study_id: int,
    name: str,
    distributions: Mapping[str, BaseDistribution],
) -> dict[str, str]:
    """있던 탐색 공간과 견주고 합친다(이름 → 분포 JSON). 종류나 선택지가 달라졌으면 SettingsError."""
    from optuna.distributions import (
        check_distribution_compatibility,
        distribution_to_json,
        json_to_distribution,
    )

    recorded = study_attributes(connection, study_id).get(SPACE_ATTRIBUTE)
    # 다른 도구가 같은 이름의 attribute를 적었을 수 있다.
    known = recorded if isinstance(recorded, dict) else _stored_space(connection, study_id)
    for parameter, distribution in distributions.items():
        if parameter not in known:
            continue
        try:
            check_distribution_compatibility(json_to_distribution(known[parameter]), distribution)
        except ValueError:
            raise SettingsError(
                f"스터디 '{name}'의 탐색 공간이 지금 설정과 다릅니다",
                f"{parameter}: 저장된 것 {known[parameter]}, 지금 {distribution!r}",
                "설정을 되돌리거나 --study-name으로 새 스터디를 만듭니다",
            ) from None
    return known | {key: distribution_to_json(value) for key, value in distributions.items()}


def _stored_space(connection: Connection, study_id: int) -> dict[str, str]:
    p = t.trial_params.c
    query = (
        sa.select(p.param_name, sa.func.max(p.distribution_json))
        .join(t.trials, t.trials.c.trial_id == p.trial_id)
        .where(t.trials.c.study_id == study_id)
        .group_by(p.param_name)
    )
    return dict(connection.execute(query).all())


def _describe(directions: Sequence[str]) -> str:
    return ", ".join(_LABELS.get(direction, direction) for direction in directions)
