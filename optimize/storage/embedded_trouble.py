"""내장 PostgreSQL의 탈을 한국어로: 운영 체제의 오류와 서버의 기록. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import errno
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optimize.errors import StorageError, os_reason

_SHOWN_LINES = 5
_FULL = "No space left on device"
# 서버가 켜지며 남기는 말. lc_messages가 C라 늘 영어다.
_REASONS = (
    (_FULL, "디스크가 가득 찼습니다"),
    ("Permission denied", "데이터 폴더에 손댈 권한이 없습니다"),
    ("invalid permissions", "데이터 폴더의 권한이 바뀌었습니다(0700이어야 합니다)"),
    ("Cannot allocate memory", "메모리가 모자랍니다"),
    ("could not bind", "포트를 다른 프로그램이 쓰고 있습니다"),
    ("contains errors", "설정 파일 postgresql.conf에 틀린 줄이 있습니다"),
    ("could not load", "설정 파일을 읽지 못했습니다"),
)


@contextmanager
def folder_errors(directory: Path) -> Iterator[None]:
    """블록 안의 OSError를 까닭과 해결이 있는 StorageError로 바꾼다. directory: `studies/.postgres/`."""
    try:
        yield
    except OSError as error:
        place = shlex.quote(str(directory))
        fix = f"디스크와 폴더를 보세요: df -h {place}; ls -ld {place}"
        if error.errno in {errno.EACCES, errno.EPERM}:
            fix = (
                f"주인을 보세요: ls -ld {place}\nroot로 켰다면 root로 끄고 주인을 바꿉니다: "
                f"sudo {sys.executable} -m optimize.storage embedded stop && "
                f'sudo chown -R "$USER" {shlex.quote(str(directory.parent))}'
            )
        elif error.errno == errno.EROFS:
            fix = "쓸 수 있는 디스크로 프로젝트를 옮기거나, 시스템 PostgreSQL이나 Docker를 쓰세요"
        raise StorageError(
            "내장 PostgreSQL의 폴더를 쓰지 못했습니다",
            f"{error.filename or directory}: {os_reason(error)}",
            fix,
        ) from error


def start_failure(title: str, tail: str, log: Path) -> StorageError:
    """켜지거나 만들어지지 않은 까닭. tail: 서버의 기록의 끝."""
    reasons = [korean for english, korean in _REASONS if english in tail]
    lines = tail.splitlines()
    # 죽은 까닭은 뒤따르는 정리의 말에 밀려나 있기도 하다.
    grave = [line for line in lines[:-_SHOWN_LINES] if "FATAL:" in line or "PANIC:" in line]
    said = "\n".join([*grave[-1:], *lines[-_SHOWN_LINES:]]) or "(없음)"
    fix = f"기록을 보세요: tail -n 50 {shlex.quote(str(log))}"
    if _FULL in tail:
        fix = f"디스크를 비우고 다시 켭니다: df -h {shlex.quote(str(log.parent))}\n{fix}"
    return StorageError(title, "\n".join([*reasons[:1], f"서버의 말: {said}"]), fix)


def gave_up(tail: str) -> bool:
    """서버가 살아 있어도 이번에는 켜지지 못한다: 복구를 되풀이하며 몇 분씩 매달린다."""
    return "PANIC:" in tail or _FULL in tail
