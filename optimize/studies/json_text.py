"""엄격한 JSON의 글: 무한대와 NaN은 JSON에 없으므로 글로 적는다."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_text(body: object, indent: int | None = None) -> str:
    """한글을 그대로 둔 JSON. 무한대와 NaN은 어디에 있어도 'inf' '-inf' 'nan'이 된다.

    다른 도구가 적은 attribute와 선택지에는 그런 수와, UTF-8로 적을 수 없는 글(글자가 깨진 파일 이름)이 있다.
    대개는 없으므로 있을 때만 바꾼다.
    """
    try:
        text = json.dumps(body, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        body = _finite(body)
        text = json.dumps(body, ensure_ascii=False, indent=indent, allow_nan=False)
    return text if is_encodable(text) else json.dumps(body, indent=indent)


def is_encodable(text: str) -> bool:
    """UTF-8로 적을 수 있는가(짝 없는 surrogate가 없는가)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
