"""설치된 Optuna가 아는 schema revision. Optuna를 import하지 않고(1초) 그 migration 파일을 읽는다."""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_REVISION = re.compile(r"^(down_)?revision(?::[^=]*)?\s*=\s*(?:[\"']([^\"']+)[\"']|None)", re.M)


@dataclass(frozen=True, slots=True)
class Revisions:
    """head: 가장 새 revision. known: 올릴 수 있는 모든 revision(head 포함)."""

    head: str
    known: frozenset[str]


@cache
def installed_revisions() -> Revisions:
    """설치된 Optuna의 revision들. Optuna의 짜임이 달라 읽지 못하면 RuntimeError."""
    spec = importlib.util.find_spec("optuna")
    if spec is None or spec.origin is None:
        raise RuntimeError("optuna가 설치되어 있지 않습니다")
    folder = Path(spec.origin).parent / "storages" / "_rdb" / "alembic" / "versions"
    revisions: set[str] = set()
    parents: set[str] = set()
    for path in folder.glob("*.py"):
        for is_parent, name in _REVISION.findall(path.read_text(encoding="utf-8")):
            if name:
                (parents if is_parent else revisions).add(name)
    heads = revisions - parents
    if len(heads) != 1:
        raise RuntimeError(f"Optuna의 migration을 읽지 못했습니다: {folder}")
    return Revisions(heads.pop(), frozenset(revisions))


def upgrade_quietly(storage: RDBStorage) -> None:
    """Optuna의 migration을 돌린다.

    root logger가 비어 있으면 Optuna가 제 설정으로 stderr에 쓰므로 막고, 옛 분포의 이름을 읽으며
    내는 FutureWarning은 사용자가 어쩔 수 있는 것이 아니므로 보이지 않는다.
    """
    silence = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(silence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            storage.upgrade()
    finally:
        root.removeHandler(silence)
