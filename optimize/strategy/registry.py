"""전략을 이름으로 찾는다. 내장 전략의 모듈은 부를 때만 import한다."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from optimize.errors import SettingsError, os_reason
from optimize.strategy.parameter import Parameter
from optimize.strategy.protocol import Strategy


@dataclass(frozen=True, slots=True)
class _Builtin:
    """내장 전략의 자리. sources: 값을 바꿀 수 있는 모듈들(지문에 들어간다)."""

    module: str
    class_name: str
    sources: tuple[str, ...]


_SHARED = ("blocks_nb", "jit")
_BUILTINS = {
    "squeeze_momentum": _Builtin(
        "squeeze_momentum",
        "SqueezeMomentum",
        ("squeeze_momentum", "squeeze_momentum_nb", "squeeze_stages_nb", "htf_nb", *_SHARED),
    ),
    "ma_cross": _Builtin(
        "ma_cross", "MaCross", ("ma_cross", "ma_cross_nb", "htf_nb", "indicators", *_SHARED)
    ),
    "donchian_breakout": _Builtin(
        "donchian_breakout",
        "DonchianBreakout",
        ("donchian_breakout", "indicators", "htf_nb", *_SHARED),
    ),
}
BUILTIN_STRATEGIES = tuple(_BUILTINS)


def load_strategy(spec: str) -> Strategy:
    """`squeeze_momentum` 같은 내장 이름이나 `path/to/file.py:ClassName`을 전략으로 만든다.

    상대 경로는 지금 폴더에서 찾는다. 없는 이름, 읽지 못하는 파일, 규약에 맞지 않는 class는 SettingsError.
    """
    text = spec.strip()
    builtin = _BUILTINS.get(text)
    if builtin is not None:
        module = importlib.import_module(f"optimize.strategy.{builtin.module}")
        return _instance(getattr(module, builtin.class_name), text)
    path_text, colon, class_name = text.rpartition(":")
    if not colon or not path_text.endswith(".py"):
        raise _unknown_name(text)
    module = _load_file(Path(path_text).expanduser(), text)
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise _unknown_class(module, class_name, path_text)
    return _instance(found, text)


def strategy_fingerprint(spec: str) -> str:
    """전략 코드의 sha256(hex 64자). 내장이면 그 계산에 쓰이는 모듈들, 파일이면 파일과 class 이름."""
    text = spec.strip()
    digest = hashlib.sha256()
    builtin = _BUILTINS.get(text)
    if builtin is not None:
        folder = Path(__file__).parent
        for name in builtin.sources:
            digest.update(name.encode() + b"\0" + (folder / f"{name}.py").read_bytes() + b"\0")
        return digest.hexdigest()
    path_text, colon, class_name = text.rpartition(":")
    if not colon or not path_text.endswith(".py"):
        raise _unknown_name(text)
    path = Path(path_text).expanduser()
    digest.update(class_name.encode() + b"\0" + _read(path, text))
    return digest.hexdigest()


def _unknown_name(text: str) -> SettingsError:
    likely = difflib.get_close_matches(text, BUILTIN_STRATEGIES, n=1, cutoff=0.4)
    hint = f"'{likely[0]}'을(를) 뜻하셨습니까? " if likely else ""
    return SettingsError(
        f"전략 '{text}'을(를) 찾지 못했습니다",
        f"내장 전략은 {', '.join(BUILTIN_STRATEGIES)}입니다.",
        f"{hint}자신의 파일은 --strategy path/to/file.py:ClassName으로 씁니다.",
    )


def _unknown_class(module: ModuleType, class_name: str, path: str) -> SettingsError:
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    likely = difflib.get_close_matches(class_name, names, n=1, cutoff=0.3)
    listed = ", ".join(names) if names else "없음"
    fix = f"--strategy {path}:{likely[0] if likely else 'ClassName'}"
    return SettingsError(
        f"전략 class '{class_name}'이(가) {path}에 없습니다", f"그 파일의 class: {listed}.", fix
    )


def _read(path: Path, spec: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"전략 파일 '{path}'을(를) 읽지 못했습니다",
            f"{os_reason(error)} ({path.absolute()})",
            f"경로를 고치십시오. 지금의 값: --strategy {spec}",
        ) from None


def _load_file(path: Path, spec: str) -> ModuleType:
    """파일을 module로 읽는다. 같은 내용의 파일은 한 번만 실행한다."""
    source = _read(path, spec)
    resolved = path.resolve()
    key = hashlib.sha256(str(resolved).encode() + b"\0" + source).hexdigest()[:16]
    name = f"user_strategy_{key}"
    if name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, resolved)
    if module_spec is None or module_spec.loader is None:
        raise SettingsError(f"전략 파일 '{path}'은(는) Python 파일이 아닙니다", "", "이름을 .py로")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SettingsError(
            f"전략 파일 '{path}'을(를) 실행하지 못했습니다",
            f"{_where(error, resolved)}{type(error).__name__}: {error}",
            f"python {path} 로 먼저 오류 없이 읽히는지 보십시오.",
        ) from error
    return module


def _where(error: BaseException, path: Path) -> str:
    """오류가 난 줄. `12줄: `처럼 쓰거나 빈 글."""
    if isinstance(error, SyntaxError):
        return f"{error.lineno}줄: "
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{line}줄: " if line else ""


def _instance(found: type[Any], spec: str) -> Strategy:
    try:
        strategy = found()
    except (Exception, SystemExit) as error:
        raise SettingsError(
            f"전략 '{spec}'을(를) 만들지 못했습니다",
            f"{type(error).__name__}: {error}",
            f"{found.__name__}()은 인자 없이 만들 수 있어야 합니다.",
        ) from error
    _require_protocol(strategy, spec)
    return strategy  # type: ignore[no-any-return]


def _require_protocol(strategy: object, spec: str) -> None:
    title = f"전략 '{spec}'이(가) 규약에 맞지 않습니다"
    fix = "docs/strategy.md의 '내 전략 쓰기'와 docs/examples/를 보십시오."
    name = getattr(strategy, "name", None)
    if not isinstance(name, str) or not name:
        raise SettingsError(title, "name(빈 글이 아닌 글)이 없습니다.", fix)
    if not callable(getattr(strategy, "signals", None)):
        raise SettingsError(title, "signals(dataset, params) method가 없습니다.", fix)
    parameters = getattr(strategy, "parameters", None)
    if not isinstance(parameters, tuple) or not all(isinstance(p, Parameter) for p in parameters):
        raise SettingsError(title, "parameters가 Parameter들의 tuple이 아닙니다.", fix)
    _require_parameters(parameters, title, fix)


def _require_parameters(parameters: tuple[Parameter, ...], title: str, fix: str) -> None:
    """이름이 겹치지 않고 requires가 앞서 선언된 것만 가리키는가."""
    seen: set[str] = set()
    for parameter in parameters:
        if not parameter.name.isidentifier():
            raise SettingsError(title, f"파라미터 이름 '{parameter.name}'이(가) 틀렸습니다.", fix)
        if parameter.name in seen:
            raise SettingsError(title, f"파라미터 '{parameter.name}'이(가) 두 번 있습니다.", fix)
        missing = [name for name in parameter.requires if name not in seen]
        if missing:
            raise SettingsError(
                title,
                f"'{parameter.name}'의 requires가 앞서 선언되지 않은 '{missing[0]}'을(를) 가리킵니다.",
                fix,
            )
        seen.add(parameter.name)
