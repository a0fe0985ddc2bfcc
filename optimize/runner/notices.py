"""실행이 도는 동안의 알림(`warning` 사건)들: 무슨 일이, 왜, 무엇을 하면 되는지."""

from __future__ import annotations

from optimize.masking import mask_secrets
from optimize.protocol import WarningEvent
from optimize.runner.keeper import Rewound, StoreOutage


def notice(title: str, cause: str, fix: str) -> WarningEvent:
    """알림 하나. 까닭의 비밀번호는 가린다."""
    return WarningEvent(title, mask_secrets(cause), fix)


def lost_workers(lost: int) -> WarningEvent:
    """작업자가 죽어 lost개를 다시 계산한다."""
    return notice(
        "작업자 프로세스가 죽어 새로 띄웁니다",
        f"계산 중이던 시행 {lost}개를 다시 계산합니다",
        "되풀이되면 남은 메모리(free -h)와 전략 코드를 보세요",
    )


def cut_off(held: int) -> WarningEvent:
    """dask 무리와 끊겨 held개를 쥐고 있다."""
    return notice(
        "dask scheduler와 끊겼습니다",
        f"나가 있던 시행 {held}개를 쥐고 있습니다",
        "scheduler가 같은 주소에서 다시 뜨면 이어 갑니다: dask scheduler --port 8786",
    )


def rewound(study: str, message: Rewound) -> WarningEvent:
    """저장소가 뒤로 돌아가 잃은 시행을 다시 넣었다."""
    return notice(
        f"{study}: 저장소가 시행 {message.lost}개를 잃어 {message.restored}개를 다시 넣었습니다",
        "뒤처진 대기 서버로 바뀌었거나 예전 사본으로 되돌려졌습니다",
        "나머지는 다른 실행의 것이라, 그 실행이 다시 넣거나 다시 실행하면 모자란 만큼 계산합니다"
        if message.restored < message.lost
        else "모두 이 실행의 기록에서 되찾았습니다. 그대로 이어 갑니다",
    )


def outage(message: StoreOutage) -> WarningEvent:
    """저장소가 멈췄거나 되살아났다."""
    if message.recovered:
        return notice(
            "저장소가 되살아났습니다",
            f"{message.seconds:.0f}초 동안 멈춰 있었습니다",
            "밀린 시행을 저장하고 이어 갑니다",
        )
    return notice(
        "저장소가 응답하지 않아 기다립니다",
        message.cause,
        "끝난 시행은 사건 기록에 있으며 저장소가 살아나면 저장됩니다. "
        "원인 보기: python -m optimize.storage check",
    )


def exhausted(study: str, target: int, reached: int) -> WarningEvent:
    """더 물을 조합이 없어 목표보다 적게 끝난다."""
    return notice(
        f"{study}: 탐색 공간의 모든 조합을 평가했습니다",
        f"목표 {target}개보다 적은 {reached}개에서 끝납니다",
        "strategy.space 의 범위를 넓히거나 --n-trials 를 줄이세요",
    )


def timed_out(seconds: float, missing: int) -> WarningEvent:
    """시간 제한이 지나 목표보다 missing개 적게 끝난다."""
    return notice(
        f"시간 제한 {seconds:g}초가 지나 탐색을 끝냅니다",
        f"목표보다 시행 {missing:,}개쯤 적습니다. 돌던 시행은 마저 끝내고 저장합니다",
        "같은 명령을 다시 실행하면 이어 갑니다. 더 오래 돌리려면 --timeout 을 늘리거나 빼세요",
    )


def unsaved(count: int) -> WarningEvent:
    """저장소를 기다리지 않고 끝내, count개가 기록에만 있다."""
    return notice(
        f"시행 {count}개를 아직 저장하지 못했습니다",
        "저장소를 기다리지 않고 끝냅니다",
        "사건 기록에 남아 있으며 같은 명령을 다시 실행하면 저장됩니다",
    )
