"""스터디의 이름을 바꾸고, 그 이름을 따르는 것들(SQLite 파일, 기록, 결과, 실행의 계획)도 함께 옮긴다.

이름을 바꾼 뒤에도 `show`·`export`·`list`와 `--study-name 새이름`의 이어 돌리기가 그대로 되어야 한다.
기본 자리의 SQLite 파일(`studies/<slug>/<이름>.db`)은 이름이 자리를 정하므로 파일도 옮긴다.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize import paths
from optimize.errors import SettingsError, StorageError, os_reason
from optimize.storage.listing import StudyInfo
from optimize.storage.pointer import FILE_NAME, Pointer, read_pointer, write_pointer
from optimize.storage.url import StorageUrl, sqlite_url

if TYPE_CHECKING:
    from optimize.storage.admin import StudyAdmin
    from optimize.storage.options import StorageOptions

PLAN_FILE = "plan.json"
_RESULT_SUFFIXES = {".csv", ".yaml", ".json", ".html", ".md", ".txt"}


def rename_study(
    info: StudyInfo, new_name: str, admin: StudyAdmin, options: StorageOptions
) -> list[str]:
    """이름을 바꾼다. 함께 옮긴 것들의 한 줄 글.

    SettingsError: 새 이름이 이미 있거나 실행이 쓰고 있다. StorageError: 파일을 옮길 수 없다(이름은
    되돌린다).
    """
    moved = _default_file(info, new_name)
    if moved is not None and moved.exists():
        raise SettingsError(
            f"'{new_name}'의 파일이 이미 있습니다", str(moved), "다른 이름을 고릅니다"
        )
    admin.rename(info.name, new_name)
    notes: list[str] = []
    url = info.url
    if moved is not None and info.url.path is not None:
        admin.close()
        try:
            _move_database(info.url.path, moved, options)
        except StorageError:
            admin.rename(new_name, info.name)
            raise
        url = sqlite_url(moved)
        notes.append(f"파일: {info.url.path} → {moved}")
    for folder in _folders(info, url, new_name):
        notes += _move_results(folder, info.name, new_name)
    _rewrite_plans(info, url, new_name)
    return notes


def _default_file(info: StudyInfo, new_name: str) -> Path | None:
    """기본 자리의 SQLite 파일이 옮겨 갈 자리. 그런 파일이 아니면 None."""
    path = info.url.path
    if path is None or path.parent.parent != paths.studies_dir().absolute():
        return None
    return path.with_name(f"{new_name}.db") if path.name == f"{info.name}.db" else None


def _move_database(old: Path, new: Path, options: StorageOptions) -> None:
    """아무도 열지 않은 SQLite 파일을 옮긴다. 열고 있으면 StorageError."""
    from optimize.storage.engine import sqlite_lock

    try:
        with sqlite_lock(old, options):
            # WAL을 파일에 담고 끄려면 혼자여야 한다: 남이 열고 있으면 여기서 거절된다.
            with closing(sqlite3.connect(old, timeout=2)) as connection:
                (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            if mode != "delete":
                raise StorageError(
                    "파일을 옮기지 못했습니다",
                    f"{old}을(를) 다른 프로그램이 열고 있습니다",
                    "그 프로그램을 닫고 다시 합니다. 이름은 그대로입니다",
                )
            os.rename(old, new)
    except (sqlite3.Error, OSError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "다른 프로그램이 열고 있습니다"
        raise StorageError(
            "파일을 옮기지 못했습니다",
            f"{old}: {reason}",
            "그 파일을 연 프로그램을 닫고 다시 합니다. 이름은 그대로입니다",
        ) from error
    with suppress(OSError):
        old.with_name(f".{old.name}.lock").unlink()


def _folders(info: StudyInfo, url: StorageUrl, new_name: str) -> Iterator[Path]:
    """이 스터디를 쓴 칸들의 폴더. 기록(`storage.json`)이 이 스터디의 것이면 고쳐 쓴다."""
    for path in sorted(paths.studies_dir().glob(f"*/{FILE_NAME}")):
        try:
            pointer = read_pointer(path)
        except StorageError:
            continue  # 깨진 기록은 목록이 알린다
        if pointer is None or not _points_to(pointer, info):
            continue
        place = pointer.sqlite_path
        if url.path is not None:
            home = paths.home()
            inside = url.path.is_relative_to(home)
            place = url.path.relative_to(home).as_posix() if inside else str(url.path)
        write_pointer(path, replace(pointer, study_name=new_name, sqlite_path=place))
        yield path.parent


def _points_to(pointer: Pointer, info: StudyInfo) -> bool:
    if pointer.study_name != info.name:
        return False
    url = pointer.url()
    if url.path is not None:
        return url.path == info.url.path
    return url.same_login(info.url)


def _move_results(folder: Path, old_name: str, new_name: str) -> list[str]:
    """결과 파일들(표, 최선, 판정 따위)을 새 이름의 자리로. 있는 파일은 덮어쓰지 않는다."""
    source = paths.results_dir(folder.name, old_name)
    target = paths.results_dir(folder.name, new_name)
    moved = 0
    for path in sorted(source.glob("*.*")):
        is_result = path.name != FILE_NAME and path.suffix in _RESULT_SUFFIXES
        if is_result and path.is_file() and not (target / path.name).exists():
            paths.private_dir(target)
            os.rename(path, target / path.name)
            moved += 1
    if source != folder:
        with suppress(OSError):
            source.rmdir()
    return [f"결과 파일 {moved}개: {target}"] if moved else []


def _rewrite_plans(info: StudyInfo, url: StorageUrl, new_name: str) -> None:
    """실행들의 `plan.json`이 이 스터디를 새 이름으로 찾게 한다(화면의 이어 돌리기가 읽는다)."""
    for path in paths.studies_dir().glob(f"*/runs/*/{PLAN_FILE}"):
        try:
            body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            cells = [
                cell
                for cell in body["cells"]
                if (cell["study"], cell["storage"]) == (info.name, info.url.masked)
            ]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # 다른 판이거나 쓰다 만 계획
        if not cells:
            continue
        for cell in cells:
            cell |= {"study": new_name, "storage": url.masked}
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump(body, file, ensure_ascii=False, indent=2)
        os.replace(temporary, path)
