"""고장 시험이 함께 쓰는 것: 아무 일 없이 돈 실행의 값."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from built_once import built_once

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
import faults

TARGET = 200


@pytest.fixture(scope="session")
def undisturbed(shared_folder: Path) -> dict[str, tuple[float, ...]]:
    """조합 → 값. 시행 200개의 실행 하나를 그냥 돌린 것이다."""

    def build(folder: Path) -> None:
        values = faults.reference(folder / "run", TARGET, 2)
        (folder / "values.json").write_text(json.dumps(values), encoding="utf-8")

    kept = built_once(shared_folder / "undisturbed", build) / "values.json"
    return {key: tuple(value) for key, value in json.loads(kept.read_text("utf-8")).items()}
