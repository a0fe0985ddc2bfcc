"""오류의 나무. 사용자에게 보이는 모든 실패는 제목·원인·해결을 한국어로 갖는다.

    WizardError                 exit code
    ├── SettingsError           2   인자나 설정이 틀렸다
    ├── StorageError            3   저장소에 닿지 못하거나 쓸 수 없다
    ├── DataError               4   캔들을 얻지 못했다
    └── RunError                5   실행이 실패했다

원인과 해결에 비밀번호가 섞여도 만들 때 가린다. traceback은 사용자에게 보이지 않는다:
명령의 입구는 `optimize.cli.command`가 감싸 이 오류를 stderr에 쓰고 exit code로 끝낸다.
"""

from __future__ import annotations

import errno
import os
from typing import ClassVar

from optimize.masking import mask_secrets


class WizardError(Exception):
    """제목(무엇이), 원인(왜), 해결(어떻게 고치나)을 가진 오류.

    title: 한 줄. cause, fix: 빈 글이면 안 된다. fix는 붙여 넣을 명령이나 설정 줄을 담는다.
    """

    exit_code: ClassVar[int] = 5

    def __init__(self, title: str, cause: str, fix: str) -> None:
        self.title = mask_secrets(title)
        self.cause = mask_secrets(cause)
        self.fix = mask_secrets(fix)
        super().__init__(self.title, self.cause, self.fix)

    def __str__(self) -> str:
        return "\n".join(part for part in (self.title, self.cause, self.fix) if part)


class SettingsError(WizardError):
    """틀린 인자·YAML·환경 변수. exit code 2."""

    exit_code = 2


class StorageError(WizardError):
    """저장소에 연결하거나 쓰지 못함. exit code 3."""

    exit_code = 3


class DataError(WizardError):
    """캔들을 얻거나 읽지 못함. exit code 4."""

    exit_code = 4


class RunError(WizardError):
    """실행 실패. exit code 5."""

    exit_code = 5


_OS_REASONS = {
    errno.ENOENT: "파일이나 폴더가 없습니다",
    errno.EACCES: "권한이 없습니다",
    errno.EPERM: "허락되지 않은 일입니다",
    errno.EROFS: "읽기만 되는 파일 시스템입니다",
    errno.EISDIR: "파일이 아니라 폴더입니다",
    errno.ENOTDIR: "폴더가 아닙니다",
    errno.EEXIST: "이미 있습니다",
    errno.ENOSPC: "디스크가 가득 찼습니다",
    errno.EDQUOT: "디스크의 할당량을 넘었습니다",
    errno.ENAMETOOLONG: "이름이 너무 깁니다",
    errno.EMFILE: "연 파일이 너무 많습니다(ulimit -n)",
    errno.ENOMEM: "메모리가 모자랍니다",
    errno.ELOOP: "다른 곳을 가리키는 링크(symlink)입니다",
    errno.EIO: "디스크를 읽거나 쓰지 못했습니다",
    errno.EPIPE: "받는 쪽이 닫혔습니다",
    errno.EADDRINUSE: "다른 프로그램이 쓰고 있습니다",
}


def os_reason(error: OSError) -> str:
    """운영 체제의 오류를 한국어로. 모르는 것은 운영 체제의 글 그대로다."""
    if error.errno is None:
        return str(error)
    return _OS_REASONS.get(error.errno) or os.strerror(error.errno)


def unreadable_reason(error: OSError | UnicodeDecodeError) -> str:
    """읽지 못한 까닭, 한 줄."""
    if isinstance(error, UnicodeDecodeError):
        return f"UTF-8 글이 아닙니다({error.start + 1:,}번째 바이트)"
    return os_reason(error)
