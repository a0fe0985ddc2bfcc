"""비밀번호 가리기와, 터미널을 다스리는 글자 풀기. 사람이나 파일로 나가는 글이 거친다. 표준 라이브러리만 쓴다."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

MASK = "***"

# scheme://user:password@host — 비밀번호 안에 날것의 @나 /가 있어도 마지막 @까지 가린다.
_URL_PASSWORD = re.compile(r"(?P<head>[A-Za-z][\w+.-]*://[^\s:/?#@]*):(?P<secret>\S*)@")
# ?password=… 와 libpq DSN의 password=…, PGPASSWORD=…
_KEY_PASSWORD = re.compile(
    r"(?P<head>(?:[?&]|\b)(?:password|passwd|pgpassword|sslpassword)\s*=\s*)"
    r"(?P<secret>'[^']*'|\"[^\"]*\"|[^\s&'\"]+)",
    re.IGNORECASE,
)


def mask_secrets(text: str, known: Iterable[str] = ()) -> str:
    """글 속의 비밀번호를 `***`로 바꾼다.

    URL의 `user:password@`, `?password=`, DSN의 `password=`와 함께 `known`에 든 값,
    환경 변수 `PGPASSWORD`의 값(percent-encoding한 꼴도)을 가린다.
    """
    # 열쇠 꼴을 먼저: ?password= 의 값에 든 날것의 @를 URL의 @로 잘못 보지 않게 한다.
    masked = _KEY_PASSWORD.sub(lambda m: f"{m['head']}{MASK}", text)
    masked = _URL_PASSWORD.sub(lambda m: f"{m['head']}:{MASK}@", masked)
    for secret in {*known, os.environ.get("PGPASSWORD", "")}:
        if _worth_replacing(secret):
            for form in {secret, quote(secret, safe=""), unquote(secret)}:
                masked = masked.replace(form, MASK)
    return masked


def printable(text: str) -> str:
    """밖에서 온 글(남이 지은 이름, 전략의 예외)에서 터미널을 다스리는 글자와 방향을 뒤집는 글자를 `\\x1b`처럼 보이는 글로."""
    if text.isprintable():
        return text
    return "".join(item if item.isprintable() else f"\\x{ord(item):02x}" for item in text)


def _worth_replacing(secret: str) -> bool:
    """글 어디서나 지울 값인가.

    두 글자 이하나 포트 같은 짧은 수(기본 비밀번호 5432는 포트이기도 하다)는 지워도 비밀이 되지 않고
    글만 망가진다. 비밀번호의 자리에 있으면 위의 두 꼴이 이미 가렸다.
    """
    return len(secret) >= 3 and not (secret.isdigit() and len(secret) <= 5)
