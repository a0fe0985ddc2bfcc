"""전략을 이름으로 찾는다. 내장 전략의 모듈은 부를 때만 import한다."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from optimize.errors import RunError, SettingsError, os_reason
from optimize.strategy.parameter import ChoiceParameter, Parameter
from optimize.strategy.protocol import Strategy
from optimize.strategy.sources import prepare_imports, source_files

# 이름 → (module, class).
_BUILTINS = {
    "squeeze_momentum": ("squeeze_momentum", "SqueezeMomentum"),
    "ma_cross": ("ma_cross", "MaCross"),
    "donchian_breakout": ("donchian_breakout", "DonchianBreakout"),
}
BUILTIN_STRATEGIES = tuple(_BUILTINS)
_USER_MODULE = "user_strategy_"
# 실행하는 동안 붙들어 둔 module: 전략 파일의 절대 경로 → 처음 읽은 것.
_PINNED: dict[Path, ModuleType] = {}


def load_strategy(spec: str) -> Strategy:
    """`squeeze_momentum` 같은 내장 이름이나 `path/to/file.py:ClassName`을 전략으로 만든다.

    상대 경로는 지금 폴더에서 찾는다(설정과 명령은 절대 경로로 바꾸어 부른다). 없는 이름, 읽지 못하는 파일, 규약에 맞지 않는 class는 SettingsError.
    """
    text = spec.strip()
    builtin = _BUILTINS.get(text)
    if builtin is not None:
        module = importlib.import_module(f"optimize.strategy.{builtin[0]}")
        return _instance(getattr(module, builtin[1]), text)
    path, class_name = _file_and_class(text)
    module = _load_file(path, text)
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise _unknown_class(module, class_name, path)
    return _instance(found, text)


def reload_strategy(spec: str) -> Strategy:
    """`load_strategy`와 같되, 사용자의 파일과 그것이 import한 사용자의 module을 새로 실행한다."""
    text = spec.strip()
    if text not in _BUILTINS:
        path, _ = _file_and_class(text)
        sys.modules.pop(_module_name(path, text), None)
    return load_strategy(text)


@contextmanager
def pinned_strategy(spec: str) -> Iterator[None]:
    """나갈 때까지 이 프로세스의 `load_strategy(spec)`는 파일을 고쳐도 지금 읽은 것을 준다.

    실행의 끝에서 다시 셈하는 것이 시행들과 같은 코드여야 한다. 내장 전략이면 아무 일도 하지 않는다.
    """
    text = spec.strip()
    if text in _BUILTINS:
        yield
        return
    path, _ = _file_and_class(text)
    resolved = path.resolve()
    _PINNED[resolved] = _load_file(path, text)
    try:
        yield
    finally:
        _PINNED.pop(resolved, None)


def strategy_files(spec: str) -> dict[str, str]:
    """전략의 값을 정하는 파일마다 이름 → 내용의 sha256(hex 64자).

    전략의 파일은 class의 이름으로, 그것이 import하는 파일(`sources.source_files`)은 module의 이름으로 적는다.
    어디에 있는지는 상관없다. 없는 이름이나 읽지 못하는 파일이면 SettingsError.
    """
    text = spec.strip()
    builtin = _BUILTINS.get(text)
    if builtin is not None:
        path, class_name = Path(__file__).parent / f"{builtin[0]}.py", builtin[1]
    else:
        path, class_name = _file_and_class(text)
    return {name or class_name: found for name, found in _digests(path, text).items()}


def strategy_fingerprint(spec: str) -> str:
    """전략 코드의 sha256(hex 64자): `strategy_files`의 것 모두."""
    return code_digest(strategy_files(spec))


def code_digest(files: Mapping[str, str]) -> str:
    """파일들(이름 → sha256)의 sha256(hex 64자)."""
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()


def require_same_code(spec: str, code: str) -> None:
    """전략의 지문이 code와 다르면 RunError. code가 빈 글이면 견주지 않는다."""
    if code and strategy_fingerprint(spec) != code:
        raise RunError(
            "실행하는 동안 전략의 파일이 바뀌었습니다",
            f"{spec}: 이 실행의 다른 시행과 견줄 수 없습니다",
            "파일을 되돌리고 같은 명령을 다시 실행하거나, 새 스터디를 만드세요",
        )


def _file_and_class(text: str) -> tuple[Path, str]:
    """`path/to/file.py:ClassName`의 두 쪽. 그 꼴이 아니면 SettingsError."""
    path, colon, class_name = text.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise _unknown_name(text)
    return Path(path).expanduser(), class_name


def _digests(path: Path, spec: str) -> dict[str, str]:
    """파일과 그것이 import하는 파일들의 module 이름(자신은 빈 글) → 내용의 sha256."""
    _read(path, spec)
    return {
        name: hashlib.sha256(_read(file, spec)).hexdigest()
        for name, file in source_files(path).items()
    }


def _unknown_name(text: str) -> SettingsError:
    likely = difflib.get_close_matches(text, BUILTIN_STRATEGIES, n=1, cutoff=0.4)
    hint = f"'{likely[0]}'을(를) 뜻하셨습니까? " if likely else ""
    return SettingsError(
        f"전략 '{text}'을(를) 찾지 못했습니다",
        f"내장 전략은 {', '.join(BUILTIN_STRATEGIES)}입니다.",
        f"{hint}자신의 파일은 --strategy path/to/file.py:ClassName으로 씁니다.",
    )


def _unknown_class(module: ModuleType, class_name: str, path: Path) -> SettingsError:
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


def _module_name(path: Path, spec: str) -> str:
    """파일의 자리와, 그것과 그것이 import하는 것들의 내용으로 정해지는 이름."""
    place = {str(path.resolve()): ""}
    return f"{_USER_MODULE}{code_digest({**place, **_digests(path, spec)})[:16]}"


def _load_file(path: Path, spec: str) -> ModuleType:
    """파일을 module로 읽는다. 같은 내용의 파일은 한 번만 실행하고, 곁의 파일을 import할 수 있다."""
    resolved = path.resolve()
    if resolved in _PINNED:
        return _PINNED[resolved]
    name = _module_name(path, spec)
    if name in sys.modules:
        return sys.modules[name]
    prepare_imports(path)
    module_spec = importlib.util.spec_from_file_location(name, resolved)
    if module_spec is None or module_spec.loader is None:
        raise SettingsError(
            f"전략 파일 '{path}'은(는) Python 파일이 아닙니다",
            f"확장자가 '{path.suffix}'입니다",
            "이름을 .py로 바꾸십시오",
        )
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


def error_place(error: BaseException, strategy: Strategy) -> str:
    """사용자의 전략(과 그 폴더의 파일)에서 오류가 난 가장 안쪽의 줄. `my.py 12줄: `, 모르면 빈 글."""
    module = sys.modules.get(type(strategy).__module__)
    file = getattr(module, "__file__", None)
    if file is None or not type(strategy).__module__.startswith(_USER_MODULE):
        return ""
    place, trace = "", error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.parent == Path(file).parent:
            place = f"{path.name} {trace.tb_lineno}줄: "
        trace = trace.tb_next
    return place


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
        if isinstance(parameter, ChoiceParameter) and parameter.default not in parameter.choices:
            listed = ", ".join(map(str, parameter.choices))
            raise SettingsError(
                title,
                f"'{parameter.name}'의 기본값 {parameter.default}이(가) 고를 값({listed}) 가운데 없습니다.",
                fix,
            )
        seen.add(parameter.name)
