"""pydantic의 검증 오류를 한국어로: 키의 경로, 받은 값, 허용되는 것, 오타면 비슷한 키."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from optimize.errors import SettingsError
from optimize.masking import MASK, mask_secrets

_KEYS_SHOWN = 4
_TEMPLATES = {
    "missing": "꼭 있어야 하는 키입니다",
    "int_type": "정수여야 합니다",
    "int_parsing": "정수여야 합니다",
    "int_from_float": "정수여야 합니다",
    "float_type": "수여야 합니다",
    "float_parsing": "수여야 합니다",
    "finite_number": "유한한 수여야 합니다",
    "bool_type": "true 또는 false여야 합니다",
    "bool_parsing": "true 또는 false여야 합니다",
    "string_type": "글이어야 합니다(필요하면 따옴표로 감싸세요)",
    "string_too_short": "비어 있을 수 없습니다",
    "tuple_type": "목록이어야 합니다(대괄호로 감쌉니다: [값, 값])",
    "too_short": "항목이 {min_length}개 이상이어야 합니다",
    "dict_type": "키: 값 꼴이어야 합니다",
    "model_type": "그 아래에 키를 적습니다: {keys}",
    "greater_than": "{gt}보다 커야 합니다",
    "greater_than_equal": "{ge} 이상이어야 합니다",
    "less_than": "{lt}보다 작아야 합니다",
    "less_than_equal": "{le} 이하여야 합니다",
    "literal_error": "{expected} 가운데 하나여야 합니다",
    "value_error": "{error}",
}


def settings_error(error: ValidationError, model: type[BaseModel], source: str) -> SettingsError:
    """검증 오류 전부를 SettingsError 하나로. source: 설정이 온 곳(파일 이름)."""
    lines = [_line(item, model) for item in _root_causes(error.errors(include_url=False))]
    return SettingsError(
        f"설정이 틀렸습니다 ({len(lines)}곳)" if len(lines) > 1 else "설정이 틀렸습니다",
        "\n".join(lines),
        f"{source} 또는 명령의 인자에서 위의 키를 고치세요. 키마다의 설명은 config/params.yaml에 있습니다",
    )


def _root_causes(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """목록의 항목이 틀리면 목록도 짧아졌다고 한다: 항목의 잘못만 남긴다."""
    inner = [item["loc"] for item in details]
    return [
        item
        for item in details
        if item["type"] != "too_short"
        or not any(
            len(loc) > len(item["loc"]) and loc[: len(item["loc"])] == item["loc"] for loc in inner
        )
    ]


def _line(item: ErrorDetails, model: type[BaseModel]) -> str:
    path = dotted(item["loc"])
    if item["type"] == "extra_forbidden":
        likely = likely_key(item["loc"], model)
        hint = f" — 혹시 '{likely}'인가요?" if likely else ""
        return f"{path}: 모르는 키입니다{hint}"
    context = {key: _plain(value) for key, value in item.get("ctx", {}).items()}
    if item["type"] == "model_type":
        context["keys"] = _section_keys(item["loc"], model)
    template = _TEMPLATES.get(item["type"], "값을 읽을 수 없습니다 ({type})")
    reason = template.format_map({"type": item["type"], **context})
    if item["type"] == "literal_error":
        reason = reason.replace(" or ", ", ")
    whole = item["type"] == "value_error" and isinstance(item["input"], (Mapping, list, tuple))
    if not path:
        return reason
    if item["type"] == "missing" or whole:
        return f"{path}: {reason}"
    return f"{path} = {_shown(path, item['input'])}: {reason}"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, Exception) else value


def _shown(path: str, value: Any) -> str:
    if "password" in path.lower():
        return MASK
    text = mask_secrets(repr(value))
    return text if len(text) <= 80 else f"{text[:79]}…"


def _section_keys(loc: Sequence[int | str], model: type[BaseModel]) -> str:
    """그 자리의 묶음에 쓰는 키들(많으면 앞의 몇 개)."""
    item: Any = model
    for part in loc:
        # 목록의 항목이면 `tuple[항목, ...]`의 항목이다.
        item = get_args(item)[0] if isinstance(part, int) else item.model_fields[part].annotation
    names = [dotted((*loc, name)) for name in item.model_fields]
    return ", ".join(names[:_KEYS_SHOWN]) + (" …" if len(names) > _KEYS_SHOWN else "")


def dotted(loc: Sequence[int | str]) -> str:
    """`('search', 'n_jobs')` → `search.n_jobs`."""
    return ".".join(str(part) for part in loc)


def likely_key(loc: Sequence[int | str], model: type[BaseModel]) -> str | None:
    """모르는 키의 경로와 가장 비슷한, 있는 키의 경로. 없으면 None."""
    for depth, part in enumerate(loc):
        if isinstance(part, int):
            return _likely_in_item(loc, depth, model)
    known = all_keys(model)
    typed = dotted(loc)
    close = difflib.get_close_matches(typed, known, n=1, cutoff=0.75)
    if close:
        return close[0]
    # 자리를 틀린 키: 마지막 이름만 견준다.
    last = str(loc[-1])
    by_name = {key.rsplit(".", 1)[-1]: key for key in known}
    close = difflib.get_close_matches(last, by_name, n=1, cutoff=0.8)
    return by_name[close[0]] if close else None


def _likely_in_item(loc: Sequence[int | str], depth: int, model: type[BaseModel]) -> str | None:
    """목록의 항목(`goals.0.wieght`) 안에서 비슷한 키."""
    item: Any = model
    for part in loc[:depth]:
        item = item.model_fields[str(part)].annotation
    item = get_args(item)[0] if get_origin(item) is tuple else None
    if not (isinstance(item, type) and issubclass(item, BaseModel)):
        return None
    rest = dotted(loc[depth + 1 :])
    close = difflib.get_close_matches(rest, all_keys(item), n=1, cutoff=0.6)
    return f"{dotted(loc[: depth + 1])}.{close[0]}" if close else None


def all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """모형의 모든 키의 경로(중간 묶음도 든다)."""
    keys: list[str] = []
    for name, info in model.model_fields.items():
        keys.append(prefix + name)
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            keys += all_keys(annotation, f"{prefix}{name}.")
    return keys


def merge_path(tree: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """중첩 사전의 한 자리를 바꾼 새 사전. 중간 자리가 사전이 아니면 사전으로 바꾼다."""
    head, *rest = path
    copy = dict(tree)
    if rest:
        below = copy.get(head)
        copy[head] = merge_path(below if isinstance(below, Mapping) else {}, rest, value)
    else:
        copy[head] = value
    return copy
