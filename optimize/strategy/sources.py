"""전략의 값을 정하는 파일들: 전략의 파일과, 그것이 import하는 파일들(거듭 따라간다). 표준 라이브러리만 쓴다.

실행하지 않고 import 문만 읽는다. 표준 라이브러리와 설치된 꾸러미는 따라가지 않고, 이 프로그램의 것은
`optimize.strategy`의 셈만 따라간다(그 이름이 글에 나오는 것 모두). `importlib`으로 부르는 것은 알 수 없다.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PACKAGE = "optimize.strategy"
# 규약과 캐시의 자리: 값을 바꾸지 않는다(파라미터의 선언은 공간의 지문에 든다).
_PLUMBING = frozenset({"kernel_cache", "parameter", "protocol", "sources"})
_MENTIONED = re.compile(rb"optimize\.strategy\.(\w+)")
_INSTALLED = frozenset({"site-packages", "dist-packages"})
# sys.path에 더해 둔 전략의 폴더(많아야 하나).
_ADDED: list[str] = []


def source_files(path: Path) -> dict[str, Path]:
    """module의 이름 → 파일. path 자신의 이름은 빈 글이고, 나머지는 import하는 이름(`mine.levels`)이다.

    사용자의 module은 sys.path와 path의 폴더에서 찾는다. path를 읽지 못하면 OSError.
    """
    importlib.invalidate_caches()
    folder = path.resolve().parent
    found = {"": path}
    waiting = [("", path)]
    while waiting:
        name, file = waiting.pop()
        for wanted in _imported(file, _parent_package(name, file)):
            for module, place in _located(wanted, folder):
                if module not in found and place.resolve() != path.resolve():
                    found[module] = place
                    waiting.append((module, place))
    return dict(sorted(found.items()))


def prepare_imports(path: Path) -> None:
    """path가 곁의 파일을 import할 수 있게 하고, 앞서 읽은 그 module들을 잊는다.

    폴더는 sys.path의 끝에 더하고(사용자의 파일 이름이 다른 꾸러미를 가리지 않는다) 앞서 더한 것은 뺀다: 다른
    폴더의 같은 이름이나 고치기 전의 것이 섞이지 않는다.
    """
    for name in source_files(path):
        if name and not name.startswith("optimize."):
            sys.modules.pop(name, None)
    folder = str(path.resolve().parent)
    sys.path[:] = [place for place in sys.path if place not in _ADDED]
    _ADDED[:] = [] if folder in sys.path else [folder]
    sys.path += _ADDED


def _parent_package(name: str, file: Path) -> str:
    """상대 import가 가리키는 꾸러미."""
    return name if file.name == "__init__.py" else name.rpartition(".")[0]


def _imported(file: Path, package: str) -> Iterator[str]:
    """파일의 import 문들이 가리킬 수 있는 이름들. 읽히지 않는 파일이면 없다."""
    text = file.read_bytes()
    if file.parent == _HERE:
        # 이 프로그램의 것은 모두 온 이름으로 import한다. 글에서 찾는 것이 열 배 빠르다.
        yield from (f"{_PACKAGE}.{name.decode()}" for name in _MENTIONED.findall(text))
        return
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(parents if node.level else []), *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names if base)


def _located(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """이름이 지나는 module마다 (이름, 파일): `a.b.c`면 a, a.b, a.b.c 가운데 파일이 있는 것."""
    parts = name.split(".")
    if not parts[0] or parts[0] in sys.stdlib_module_names:
        return
    if parts[0] == "optimize":
        if len(parts) > 2 and name.startswith(f"{_PACKAGE}.") and parts[2] not in _PLUMBING:
            file = _HERE / f"{parts[2]}.py"
            if file.is_file():
                yield f"{_PACKAGE}.{parts[2]}", file
        return
    places = [*(place for place in sys.path if place not in _ADDED), str(folder)]
    for depth, part in enumerate(parts, 1):
        spec = PathFinder.find_spec(part, places)
        if spec is None:
            return
        if spec.origin is not None and spec.origin.endswith(".py"):
            file = Path(spec.origin)
            if _INSTALLED & set(file.parts):
                return
            yield ".".join(parts[:depth]), file
        if spec.submodule_search_locations is None:
            return
        places = list(spec.submodule_search_locations)
