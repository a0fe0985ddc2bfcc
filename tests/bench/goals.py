"""잰 값 곁에 적는 목표."""

from __future__ import annotations


def against(value: float, goal: float, unit: str = "", *, least: bool = False) -> str:
    """목표와 견준 글, `목표 ≤ 6 ms: 이룸`. least: goal이 하한인가."""
    if least:
        return f"목표 ≥ {goal:g}{unit}: {'이룸' if value >= goal else '못 미침'}"
    return f"목표 ≤ {goal:g}{unit}: {'이룸' if value <= goal else '넘김'}"
