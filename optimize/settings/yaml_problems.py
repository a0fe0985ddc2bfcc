"""YAML 읽개의 영어 까닭을 한국어로."""

from __future__ import annotations

import re

import yaml

_PROBLEMS = (
    (r"^found character '(.*)' that cannot start any token", "{0} 글자로 시작할 수 없습니다"),
    (r"^mapping values are not allowed here", "이 자리에는 '키: 값'이 올 수 없습니다(들여쓰기나 따옴표를 보세요)"),
    (r"^expected (.*), but (?:found|got) (.*)", "{0}이(가) 와야 하는데 {1}이(가) 있습니다"),
    (r"^could not find expected ':'", "':'이 빠졌습니다"),
    (r"^found unexpected end of stream", "따옴표가 닫히지 않았습니다"),
    (r"^found undefined alias (.*)", "정해지지 않은 이름 {0}을(를) 가리킵니다"),
    (r"^could not determine a constructor for the tag (.*)", "쓸 수 없는 태그 {0}입니다"),
    (r"^found unknown escape character (.*)", "모르는 escape 문자 {0}입니다(작은따옴표를 써 보세요)"),
)  # fmt: skip
_WORDS = (
    ("'<stream end>'", "글의 끝"),
    ("<stream end>", "글의 끝"),
    ("'<block end>'", "묶음의 끝"),
    ("<block end>", "묶음의 끝"),
    ("<block mapping start>", "들여 쓴 묶음"),
    ("<block sequence start>", "목록"),
    ("<scalar>", "값"),
    ("the node content", "값"),
    ("escape sequence of", "escape 문자의"),
    ("hexadecimal numbers", "자리 16진수"),
    (" or ", " 또는 "),
)


def yaml_problem(error: Exception) -> str:
    """YAML 오류의 자리와 까닭, 한 줄."""
    if isinstance(error, RecursionError):
        return "묶음이 너무 깊이 겹쳤습니다"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.line + 1}번째 줄 {mark.column + 1}번째 칸: {_korean(error.problem or '')}"
    return " ".join(str(error).split())


def _korean(problem: str) -> str:
    for pattern, template in _PROBLEMS:
        found = re.match(pattern, problem)
        if found:
            text = template.format(
                *("탭(tab)" if part == "\\t" else part for part in found.groups())
            )
            for english, korean in _WORDS:
                text = text.replace(english, korean)
            return text
    return problem
