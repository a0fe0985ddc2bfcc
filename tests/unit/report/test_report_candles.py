"""실행의 보고가 캔들의 지문과 흠을 말한다: 글과 data.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from reference.builders import dataset, random_candles

from optimize.data.arrow_io import write_funding
from optimize.data.dataset import FundingSchedule
from optimize.report.candles import candle_lines, data_json, write_data


def test_지문과_흠을_글과_파일이_같게_말한다(tmp_path: Path) -> None:
    ref = dataset(random_candles(1, 60), "1m").ref
    clean = replace(ref, fingerprint="ab" * 32)
    (line,) = candle_lines(clean)
    assert "지문 abababababababab, 흠 없음" in line
    broken = replace(
        clean, filled_bars=7, notes=("빈 봉 7개를 직전 종가로 채웠습니다", "펀딩 없음")
    )
    head, *faults = candle_lines(broken)
    assert "채운 봉 7" in head
    assert faults == ["  흠: 빈 봉 7개를 직전 종가로 채웠습니다", "  흠: 펀딩 없음"]
    path = tmp_path / "data.json"
    write_data(path, [clean, broken])
    assert path.stat().st_mode & 0o777 == 0o600
    markets = json.loads(path.read_text(encoding="utf-8"))["markets"]
    assert markets == [data_json(clean), data_json(broken)]
    assert markets[1]["faults"] == list(broken.notes)
    assert (markets[0]["fingerprint"], markets[0]["bars"]) == ("ab" * 32, 60)


def test_펀딩의_수와_간격을_말한다(tmp_path: Path) -> None:
    """기간 밖의 것은 세지 않고, 간격이 바뀌면 범위로 말한다. 현물은 펀딩을 말하지 않는다."""
    ref = dataset(random_candles(1, 1440), "1m").ref
    assert data_json(ref)["funding"] is None
    assert "펀딩" not in candle_lines(ref)[0]
    hour, path = 3_600_000, tmp_path / "funding.arrow"
    for hours, said, apart in (
        ((-4, 0, 4, 8, 12), "펀딩 4번(4시간마다)", [4.0]),
        ((0, 1, 9), "펀딩 3번(1~8시간마다)", [1.0, 8.0]),
        ((5,), "펀딩 1번", []),
    ):
        time = ref.start_ms + hour * np.array(hours, dtype=np.int64)
        write_funding(path, FundingSchedule(time, np.full(len(hours), 1e-4)))
        paid = replace(ref, funding_path=str(path))
        assert said in candle_lines(paid)[0]
        inside = sum(ref.start_ms <= moment < ref.end_ms for moment in time)
        assert data_json(paid)["funding"] == {"times": inside, "hours": apart}
