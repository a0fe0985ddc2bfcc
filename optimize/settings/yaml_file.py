"""YAML 파일을 사전으로 읽는다. 검증은 `load`가 한다(pydantic을 import하지 않는다)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from optimize import paths
from optimize.errors import SettingsError, unreadable_reason
from optimize.settings.yaml_problems import yaml_problem


class PlainLoader(yaml.SafeLoader):
    """`1:30`을 60진수 90이 아니라 글로 읽는 안전한 읽개(YAML 1.2처럼)."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag = str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        if kind is yaml.ScalarNode and ":" in value and tag.endswith((":int", ":float")):
            return "tag:yaml.org,2002:str"
        return tag


class _UniqueKeyLoader(PlainLoader):
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
            "들여쓰기는 빈칸으로, '키: 값' 사이에는 빈칸을 하나 두고, 같은 키는 한 번만 적으세요",
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


def read_config(config: Path | None) -> tuple[Path, dict[str, Any]]:
    """설정 파일의 경로와 검증하지 않은 사전. config가 None이면 기본 파일이며, 없으면 빈 사전이다."""
    path = paths.default_config() if config is None else config
    return path, {} if config is None and not path.exists() else read_yaml(path)
