"""사건의 부호: 되읽기, 모르는 것 건너뛰기, 유한한 수."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize import protocol
from optimize.protocol import (
    DoneEvent,
    Event,
    Hello,
    ProgressEvent,
    StoredEvent,
    StudyEvent,
    StudyResult,
    TrialEvent,
    decode,
    encode,
)

_finite = st.floats(allow_nan=False, allow_infinity=False)
_names = st.text(max_size=10)
_params = st.dictionaries(_names, st.integers() | _finite | st.booleans() | _names, max_size=4)
_trials = st.builds(
    TrialEvent,
    study=_names,
    number=st.integers(0, 10**9),
    state=st.sampled_from(["COMPLETE", "PRUNED", "FAIL"]),
    score=st.none() | _finite,
    metrics=st.dictionaries(_names, _finite, max_size=4),
    params=_params,
    duration_ms=_finite,
    is_best=st.booleans(),
    uid=_names,
    values=st.lists(_finite, max_size=2),
)


@given(_trials)
def test_시행은_그대로_되읽힌다(event: TrialEvent) -> None:
    line = encode(event)
    assert "\n" not in line
    assert decode(line) == event


@pytest.mark.parametrize(
    "event",
    [
        Hello("r1", 3),
        StudyEvent("s", "s", "1m@15m", "sqlite:///x", 0, 500),
        StoredEvent("s", ["a"], [0]),
        ProgressEvent("s", 1, 2, 0.5, None),
        DoneEvent([StudyResult("s", "s", 1, 0, 0, 1.5, {"a": 1})], 0),
    ],
)
def test_다른_사건도_되읽힌다(event: Event) -> None:
    assert decode(encode(event)) == event


def test_모든_줄에_판과_utc_시각과_종류가_있다() -> None:
    body = json.loads(encode(Hello("r", 1), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    assert body["v"] == 1
    assert body["ts"] == "2026-01-02T03:04:05.000+00:00"
    assert body["type"] == "hello"


def test_모르는_칸과_종류는_건너뛴다() -> None:
    body = json.loads(encode(Hello("r", 1)))
    assert decode(json.dumps({**body, "앞날의_칸": 3})) == Hello("r", 1)
    assert decode(json.dumps({**body, "type": "앞날"})) is None


@given(st.text(max_size=50))
def test_깨진_줄은_없는_것이다(text: str) -> None:
    assert decode(text) is None or isinstance(decode(text), Event)


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "3", '{"type":3}', '{"type":"trial"}', '{"type":"done","studies":3}']
)
def test_반쪽_줄도_예외를_내지_않는다(line: str) -> None:
    assert decode(line) is None


def test_유한하지_않은_수는_적지_않는다() -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(ProgressEvent("s", 1, 2, math.nan, None))


def test_실행_이름은_시간순이다() -> None:
    early = protocol.new_run_id(datetime(2026, 1, 1, tzinfo=UTC))
    late = protocol.new_run_id(datetime(2026, 1, 2, tzinfo=UTC))
    assert early < late
