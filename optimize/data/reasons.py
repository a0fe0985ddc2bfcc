"""연결 실패의 까닭을 한국어로. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import errno
import socket
import ssl

_ERRNO = {
    errno.ECONNREFUSED: "연결이 거절되었습니다",
    errno.ENETUNREACH: "네트워크에 이어지는 길이 없습니다",
    errno.EHOSTUNREACH: "서버에 이어지는 길이 없습니다",
    errno.ECONNRESET: "서버가 연결을 끊었습니다",
    errno.EPIPE: "서버가 연결을 끊었습니다",
    errno.ETIMEDOUT: "시간 안에 답이 없습니다",
}


def connection_reason(error: BaseException) -> str:
    """예외와 그 원인들에서 운영 체제의 오류를 찾아 한 줄로. 모르면 예외의 글."""
    seen: BaseException | None = error
    while seen is not None:
        reason = getattr(seen, "reason", None)
        for found in (seen, reason):
            if isinstance(found, TimeoutError):
                return "시간 안에 답이 없습니다"
            if isinstance(found, socket.gaierror):
                return "주소의 이름을 찾지 못했습니다(DNS)"
            if isinstance(found, ssl.SSLError):
                return f"안전한 연결(TLS)을 맺지 못했습니다: {found.reason or found}"
            if isinstance(found, OSError) and found.errno in _ERRNO:
                return _ERRNO[found.errno]
        seen = seen.__cause__ or seen.__context__
    return f"연결하지 못했습니다 ({error})"
