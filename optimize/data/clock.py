"""이 컴퓨터의 지금. 시험이 갈아 끼울 수 있게 한 자리에 둔다."""

from __future__ import annotations

import time

from optimize.data.timeframes import MINUTE_MS


def now_ms() -> int:
    """지금의 분을 여는 시각, UTC ms."""
    return int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
