"""`./시작 벤치`: 하나를 재지 못해도 나머지를 재고, JSON은 늘 JSON이며, exit code가 그것을 말한다.

그리고 문서의 곡선은 저장된 숫자에서 그린 것 그대로다.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

REPO = Path(__file__).resolve().parents[2]
BENCH = REPO / "tests" / "bench"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """tests/bench의 모듈을 이름을 어지르지 않고 읽는다."""
    path, names = list(sys.path), set(sys.modules)

    def read(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    yield read
    sys.path[:] = path
    for name in set(sys.modules) - names:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(BENCH)):
            del sys.modules[name]


@pytest.fixture
def entry(load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """잴 것이 넷인 입구: 잘 재는 것, 죽는 것, JSON이 아닌 것, 목표를 넘긴 것."""
    module = load("__main__")
    scripts = {
        "good": "import json; print(json.dumps({'ms': 1.5}))",
        "dies": "raise SystemExit(3)",
        "prose": "print('빠릅니다')",
        "slow": "print('{}'); raise SystemExit(1)",
    }
    for name, text in scripts.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    benches = {
        name: (module.Bench(str(tmp_path / f"{name}.py"), goal_exit=1 if name == "slow" else None),)
        for name in scripts
    }
    monkeypatch.setattr(module, "BENCHES", benches)
    return module


def test_one_failure_leaves_the_others_measured(
    entry: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code = entry.main(["all", "--json"])
    out, err = capsys.readouterr()
    report = json.loads(out)
    measured = {name: rows[0]["measured"] for name, rows in report["benches"].items()}
    assert measured == {"good": True, "dies": False, "prose": False, "slow": True}
    assert report["benches"]["good"][0]["result"] == {"ms": 1.5}
    assert code == 1
    assert err.count("재지 못했습니다") == 2
    assert "exit code 3" in err


def test_each_report_states_its_conditions(
    entry: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(["good", "slow", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {"at", "cpu", "cores", "load", "python", "versions"} <= report["conditions"].keys()
    assert report["conditions"]["versions"].keys() >= {"numba", "optuna"}
    run = report["benches"]["slow"][0]
    assert {"load_before", "load_after", "seconds", "command"} <= run.keys()


def test_every_bench_has_its_script_and_a_row_in_the_docs(load) -> None:
    text = (REPO / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name, benches in load("__main__").BENCHES.items():
        assert f"| `{name}` |" in text
        assert all((BENCH / bench.script).is_file() for bench in benches)


def test_scripts_find_their_neighbours_under_the_launcher(load) -> None:
    """런처는 PYTHONSAFEPATH=1로 부르므로, 곁의 모듈을 쓰는 스크립트는 제 폴더를 sys.path에 넣는다."""
    siblings = "|".join(path.stem for path in BENCH.glob("*.py"))
    neighbour = re.compile(rf"^(?:from|import) (?:{siblings})\b", re.MULTILINE)
    own = "sys.path.insert(0, str(Path(__file__).resolve().parent))"
    for benches in load("__main__").BENCHES.values():
        for bench in benches:
            text = (BENCH / bench.script).read_text(encoding="utf-8")
            found = neighbour.search(text)
            assert not found or own in text[: found.start()], bench.script


def test_the_curves_in_the_docs_are_drawn_from_the_saved_figures(load, tmp_path: Path) -> None:
    figures = json.loads((REPO / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
    for path in load("curve_pictures").draw_all(figures, tmp_path):
        drawn = path.read_text(encoding="utf-8")
        assert ET.fromstring(drawn).tag.endswith("svg")
        assert drawn == (REPO / "docs" / "images" / path.name).read_text(encoding="utf-8"), (
            "python tests/bench/curves.py 로 다시 그리세요"
        )
        assert path.name in (REPO / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def test_목표는_이룬_것과_넘긴_것을_가린다(load) -> None:
    """경계는 이룬 것이고, 하한인 목표는 거꾸로다."""
    against = load("goals").against
    assert against(6.0, 6.0, " ms") == "목표 ≤ 6 ms: 이룸"
    assert against(6.1, 6.0, " ms") == "목표 ≤ 6 ms: 넘김"
    assert against(20.0, 20.0, "배", least=True) == "목표 ≥ 20배: 이룸"
    assert against(19.9, 20.0, "배", least=True) == "목표 ≥ 20배: 못 미침"
