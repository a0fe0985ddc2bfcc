"""스터디가 말해 주는 것: 판정, 검증의 나눔, 파라미터의 지형, 파레토 최적의 글."""

from __future__ import annotations

VERDICT = ("판정", "과최적화인지 판정합니다: 우연 확률, 표본 밖 점수, 둘레의 점수")
VERDICT_TITLE = "{name} 의 판정"
VERDICT_WORKING = "판정합니다. 최고 시행과 그 둘레를 다시 셈하므로 몇 초 걸립니다"
VERDICT_COLUMNS = ("잣대", "판정")
VERDICT_MARKS = {"good": "넉넉함", "warn": "모자람", "bad": "넘음", "unknown": "모름"}
VERDICT_NEXT_STEP = "할 일: {text}"
VERDICT_NONE = "판정이 아직 없습니다"
VERDICT_LINE = "판정: {label}. {headline}"
VERDICT_LEVEL = "{label} {n}개 ({cells})"
VERDICT_MANY = "판정: {levels}"
VERDICT_MORE = "j 자세히"

SPLITS = ("나눔", "학습과 검증의 나눔마다 이긴 시행과 점수를 봅니다")
SPLITS_TITLE = "{name} 의 학습과 검증"
SPLITS_COLUMNS = (
    "나눔",
    "학습",
    "검증",
    "시행",
    "이긴 시행",
    "학습 점수",
    "검증 점수",
    "순이익%",
    "낙폭%",
)
SPLITS_NONE = "검증의 기록이 없습니다. 검증을 켜고 끝까지 돈 실행이 남깁니다"
SPLITS_STITCHED = "이어 붙인 검증 {start} ~ {end}: 점수 {score}, 순이익 {profit:,.2f} %, 최대 낙폭 {drawdown:,.2f} %"
SPLITS_EFFICIENCY = "walk-forward efficiency {value:.2f} (연환산 수익률: 학습 {inside:,.2f} %, 검증 {outside:,.2f} %)"
SPLITS_NO_WINNER = "없음"
RANGE = "{start} ~ {end}"

CONTOUR = ("등고선", "두 파라미터의 지형과 단면을 오갑니다")
PARTNER = ("세로축", "등고선의 세로축으로 삼을 파라미터를 고릅니다")
CONTOUR_TITLE = "가로 {x}, 세로 {y}"
CONTOUR_LEGEND = "수는 그 칸 최고 점수의 등급(1~9), *는 최고 시행의 칸"
CONTOUR_FEW = "등고선을 그릴 파라미터가 둘 있어야 합니다"
PARTNER_SIGN = "|"
PLATEAU = "최고의 둘레 {count}개: 점수 중앙값 {middle}, 낮은 쪽 {low} (최고 {best})"
PLATEAU_FEW = "최고의 둘레를 볼 만큼 시행이 모이지 않았습니다"

FRONT = ("파레토", "목표가 둘 이상인 스터디의 파레토 최적 시행들을 봅니다")
FRONT_TITLE = "{name} 의 파레토 최적"
FRONT_WORKING = "파레토 최적을 찾습니다"
FRONT_ONE_GOAL = "목표가 하나인 스터디입니다. 목표가 둘 이상이어야 파레토 최적이 있습니다"
FRONT_COUNT = "파레토 최적 {count:,}개: 어느 목표도 더 좋게 하려면 다른 목표가 나빠집니다"
FRONT_AXES = "가로 {x}, 세로 {y}"
FRONT_NUMBER = "번호"
GOOD_UP, GOOD_DOWN = "클수록", "작을수록"
