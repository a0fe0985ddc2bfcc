"""엄격한 JSON의 글: 무한대와 NaN은 JSON에 없으므로 글로 적는다."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_text(body: object, indent: int | None = None) -> str:
    """한글을 그대로 둔 JSON. 무한대와 NaN은 어디에 있어도 'inf' '-inf' 'nan'이 된다.

    다른 도구가 적은 attribute와 선택지에는 그런 수가 있다. 대개는 없으므로 있을 때만 속을 바꾼다.
    """
    try:
        return json.dumps(body, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(body), ensure_ascii=False, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
