"""설정을 모은다: YAML → 명령의 인자(`--set` 포함) → 검증된 `Params`.

뒤의 것이 앞의 것을 이긴다. 환경 변수와 `.env`는 저장소 URL에만 쓰이며 `plan`이 읽는다.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from optimize.errors import SettingsError
from optimize.settings.messages import dotted, likely_key, merge_path, settings_error
from optimize.settings.model import Params
from optimize.settings.storage_part import SECTIONS
from optimize.settings.yaml_file import PlainLoader, read_config
from optimize.settings.yaml_problems import yaml_problem


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
        read = yaml.load(value, PlainLoader)  # noqa: S506 — SafeLoader의 하위 클래스
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
    path, tree = read_config(config)
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
        key: {} if value is None and key in SECTIONS else value for key, value in tree.items()
    }
    try:
        return Params.model_validate(filled)
    except ValidationError as error:
        raise settings_error(error, Params, source) from None
