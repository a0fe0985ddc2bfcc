"""실행의 보고가 캔들의 지문과 흠을 말한다: 글과 data.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from reference.builders import dataset, random_candles

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
