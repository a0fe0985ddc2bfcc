"""연결 실패의 까닭을 한국어로. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

_ERRNO = {
    errno.ECONNREFUSED: "연결이 거절되었습니다",
    errno.ENETUNREACH: "네트워크에 이어지는 길이 없습니다",
    errno.EHOSTUNREACH: "서버에 이어지는 길이 없습니다",
    errno.ECONNRESET: "서버가 연결을 끊었습니다",
    errno.EPIPE: "서버가 연결을 끊었습니다",
    errno.ETIMEDOUT: "시간 안에 답이 없습니다",
}


# 거듭 물어도 그대로인 것.
_LASTING = frozenset({errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH})


def connection_reason(error: BaseException) -> str:
    """운영 체제의 오류를 한 줄로. 모르면 예외의 글."""
    return known_reason(error) or f"연결하지 못했습니다 ({error})"


def known_reason(error: BaseException) -> str | None:
    """예외와 그 원인들에서 찾은 운영 체제의 오류, 한 줄. 없으면 None."""
    for found in _chain(error):
        if isinstance(found, TimeoutError):
            return "시간 안에 답이 없습니다"
        if isinstance(found, socket.gaierror):
            return "주소의 이름을 찾지 못했습니다(DNS)"
        if isinstance(found, ssl.SSLError):
            return f"안전한 연결(TLS)을 맺지 못했습니다: {found.reason or found}"
        if isinstance(found, OSError) and found.errno in _ERRNO:
            return _ERRNO[found.errno]
    return None


def is_lasting(error: BaseException) -> bool:
    """이름을 못 찾거나 길이 없거나 거절되어, 곧 다시 물어도 그대로일 것인가."""
    return any(
        isinstance(found, socket.gaierror)
        or (isinstance(found, OSError) and found.errno in _LASTING)
        for found in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """예외, 그것이 품은 까닭(urllib), 그 원인들."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        reason = getattr(seen, "reason", None)
        if isinstance(reason, BaseException):
            yield reason
        seen = seen.__cause__ or seen.__context__
