"""읽어도 되는 보통의 파일인지와 그 지문. 표를 읽는 것(pyarrow.compute)을 들이지 않는다: 캐시에 있는 캔들을 여는 데는 이것이면 된다."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
from pathlib import Path

from optimize.data.file_reasons import file_reason
from optimize.errors import DataError


def file_digest(path: Path) -> str:
    """파일 내용의 sha256(hex). 없거나 읽을 수 없으면 DataError."""
    require_plain(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def require_plain(path: Path) -> None:
    """보통의 파일이 아니거나(폴더, 장치, 쓰는 이가 없는 pipe는 영영 기다린다), 다른 종류의 파일을 가리키는
    링크면 DataError.
    """
    try:
        plain = stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not plain:
        folder = path.is_dir()
        raise DataError(
            f"파일이 아닙니다: {path}",
            "파일이 아니라 폴더입니다" if folder else "장치나 pipe는 읽지 않습니다",
            "캔들 파일을 주세요",
        )
    target = Path(os.path.realpath(path))
    if path.is_symlink() and target.suffix.lower() != path.suffix.lower():
        raise DataError(
            f"다른 종류의 파일을 가리키는 링크(symlink)입니다: {path}",
            f"가리키는 파일: {target}",
            "캔들 파일이 맞으면 그 파일을 곧바로 주세요",
        )


def unreadable(path: Path, error: Exception) -> DataError:
    """읽지 못한 까닭을 말하는 오류."""
    if isinstance(error, FileNotFoundError):
        return DataError(
            f"파일이 없습니다: {path}",
            f"폴더에 그 이름의 파일이 없습니다: {path.parent}"
            if path.parent.is_dir()
            else f"그 폴더부터 없습니다: {path.parent}",
            f"경로를 확인하세요: ls {shlex.quote(str(path.parent))}",
        )
    return DataError(
        f"파일을 읽을 수 없습니다: {path}",
        file_reason(error),
        "파일이 끝까지 내려받아졌는지, 형식과 확장자가 맞는지 확인하세요",
    )
