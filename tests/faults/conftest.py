"""고장 시험이 함께 쓰는 것: 아무 일 없이 돈 실행의 값."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from filelock import FileLock

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
import faults

TARGET = 200


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> dict[str, tuple[float, ...]]:
    """조합 → 값. 시행 200개의 실행 하나를 그냥 돌린 것이며, xdist 작업자들이 나누어 쓴다."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent
    kept = folder / "undisturbed.json"
    with FileLock(folder / "undisturbed.lock"):
        if not kept.exists():
            values = faults.reference(folder / "undisturbed", TARGET, 2)
            kept.write_text(json.dumps(values), encoding="utf-8")
    return {key: tuple(value) for key, value in json.loads(kept.read_text("utf-8")).items()}
