"""`docs/faults.md`의 표가 말하는 시험이 정말로 있고, `tests/faults`의 시험은 모두 표에 있다."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions)}


def test_every_named_test_exists() -> None:
    text = (REPO / "docs" / "faults.md").read_text(encoding="utf-8")
    named = NAMED.findall(text)
    assert named
    missing = [f"{file}::{name}" for file, name in named if name not in functions_in(REPO / file)]
    assert missing == []
    rows = [line for line in text.splitlines() if re.match(r"\| (?!고장|무엇|---)", line)]
    assert [row for row in rows if not NAMED.search(row)] == []
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.name != Path(__file__).name:
            assert any(Path(file).name == path.name for file, _ in named), path.name
