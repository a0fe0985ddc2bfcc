"""설정을 모은다: YAML → 명령의 인자(`--set` 포함) → 검증된 `Params`.

뒤의 것이 앞의 것을 이긴다. 환경 변수와 `.env`는 저장소 URL에만 쓰이며 `plan`이 읽는다.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from optimize import paths
from optimize.errors import SettingsError
from optimize.settings.messages import dotted, likely_key, merge_path, settings_error
from optimize.settings.model import Params
from optimize.settings.yaml_problems import unreadable_reason, yaml_problem


class _PlainLoader(yaml.SafeLoader):
    """`1:30`을 60진수 90이 아니라 글로 읽는 안전한 읽개(YAML 1.2처럼)."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag = str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        if kind is yaml.ScalarNode and ":" in value and tag.endswith((":int", ":float")):
            return "tag:yaml.org,2002:str"
        return tag


class _UniqueKeyLoader(_PlainLoader):
    """같은 키가 두 번 나오면 거절하는 읽개(뒤의 것이 조용히 이기지 않게)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int, float, bool)) and key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"키 '{key}'가 두 번 있습니다", problem_mark=key_node.start_mark
                )
            if isinstance(key, (str, int, float, bool)):
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """YAML 파일을 사전으로. 없거나 읽을 수 없거나 모양이 틀리면 SettingsError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            "설정 파일이 없습니다",
            str(path),
            "--config 에 있는 파일을 주세요. 기본은 config/params.yaml",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "설정 파일을 읽지 못했습니다",
            f"{path}: {unreadable_reason(error)}",
            "읽기 권한과 UTF-8 글인지 보세요",
        ) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """YAML 글을 사전으로. source는 오류에 보일 이름."""
    try:
        loaded = yaml.load(text, _UniqueKeyLoader)  # noqa: S506 — SafeLoader의 하위 클래스
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(
            "설정 파일의 YAML이 틀렸습니다",
            f"{source}: {yaml_problem(error)}",
            "들여쓰기는 빈칸으로, '키: 값' 사이에는 빈칸을 하나 두세요",
        ) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise SettingsError(
            "설정 파일의 모양이 틀렸습니다",
            f"{source}: 맨 위는 '키: 값'이어야 합니다",
            "config/params.yaml을 본으로 삼으세요",
        )
    return loaded


def parse_assignment(text: str) -> tuple[tuple[str, ...], Any]:
    """`--set search.n_jobs=4`를 (경로, 값)으로. 값은 YAML로 읽는다."""
    key, equals, value = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise SettingsError(
            "--set 의 꼴이 틀렸습니다",
            f"받은 것: {text}",
            "--set 키=값 으로 쓰세요. 예: --set search.n_jobs=4",
        )
    try:
        read = yaml.load(value, _PlainLoader)  # noqa: S506 — SafeLoader의 하위 클래스
        return path, read if value.strip() else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(
            "--set 의 값을 읽지 못했습니다",
            f"{key} = {value}: {yaml_problem(error)}",
            "글은 따옴표로 감싸 보세요",
        ) from None


def load_params(
    config: Path | None,
    overrides: Sequence[tuple[tuple[str, ...], Any]] = (),
) -> Params:
    """YAML에 덮어쓰기를 얹어 검증한다.

    config: None이면 기본 파일. 기본 파일이 없으면 모든 키가 기본값이다.
    overrides: ((경로), 값)의 차례. 뒤의 것이 이긴다.
    """
    path = paths.default_config() if config is None else config
    tree: dict[str, Any] = {} if config is None and not path.exists() else read_yaml(path)
    for key, value in overrides:
        _refuse_unknown_section(key)
        tree = merge_path(tree, key, value)
    return validate(tree, str(path))


def _refuse_unknown_section(key: Sequence[str]) -> None:
    if key[0] not in Params.model_fields:
        likely = likely_key(key, Params)
        hint = f" — 혹시 '{likely}'인가요?" if likely else ""
        raise SettingsError(
            "모르는 설정 키입니다",
            f"--set {dotted(key)}{hint}",
            "키의 목록은 config/params.yaml에 있습니다",
        )


def validate(tree: Mapping[str, Any], source: str) -> Params:
    """사전을 `Params`로. 틀리면 모든 잘못을 담은 SettingsError."""
    # 묶음의 이름만 쓰고 속을 비우면(`search:`) 기본값으로 본다.
    filled = {
        key: {} if value is None and key in _SECTIONS else value for key, value in tree.items()
    }
    try:
        return Params.model_validate(filled)
    except ValidationError as error:
        raise settings_error(error, Params, source) from None


_SECTIONS = frozenset({"data", "strategy", "backtest", "objective", "validation", "search"})


def read_dotenv() -> dict[str, str]:
    """`.env`의 변수들. 파일이 없으면 빈 사전. 값이 빈 변수도 담는다(`=`가 없는 줄은 아니다).

    SettingsError: 글이 아니거나 읽을 수 없는 줄이 있다.
    """
    path = paths.dotenv_path()
    if not path.is_file() or not os.access(path, os.R_OK):
        return {}
    from dotenv.parser import parse_stream

    try:
        lines = list(parse_stream(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            ".env를 읽지 못했습니다",
            f"{path}: {unreadable_reason(error)}",
            "UTF-8 글인지, 읽기 권한이 있는지 보세요",
        ) from None
    for line in lines:
        # 닫지 않은 따옴표 따위로 읽지 못한 변수를 없는 것으로 보고 다른 저장소를 쓰지 않는다.
        if line.error and "=" in line.original.string:
            raise SettingsError(
                ".env의 줄을 읽을 수 없습니다",
                f"{path}의 {line.original.line}째 줄",
                '이렇게 적습니다: OPTUNA_STORAGE="postgresql://…" (따옴표는 짝을 맞춥니다)',
            )
    return {line.key: line.value for line in lines if line.key and line.value is not None}
