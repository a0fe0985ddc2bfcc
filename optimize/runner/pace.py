"""한 칸에서 얼마나 앞서 묻고 얼마씩 묶어 보낼지.

묻는 것은 끝난 시행만 보고 고른다. 묻고서 아직 끝나지 않은 것이 많을수록 낡은 것을 보므로, 그 수를 끝난
시행의 `1/STALE_SHARE`까지만 둔다(작업자가 쉬지 않을 만큼은 늘 둔다). 같은 시행 수에서 찾는 값의 차이는
`tests/bench/staleness.py`가 잰다. 그 안에서, 시행이 짧을수록 여럿을 묶어 보내는 비용을
줄이고 커널이 함께 셈하게 한다.
"""

from __future__ import annotations

from dataclasses import dataclass

STALE_SHARE = 8
CHUNK_SECONDS = 0.1
MAX_CHUNK = 32
_AHEAD_SECONDS = 0.2
_MAX_AHEAD = 256
# 작업자마다 도는 묶음 하나와 기다리는 묶음 하나.
_CHUNKS_PER_WORKER = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """지금의 빠르기. workers: 함께 도는 시행의 수. cells: 진행하는 칸의 수. claim_seconds: 자리를 맡는 시간.

    trial_seconds: 이 칸의 시행 하나의 시간(초). done: 이 칸의 끝난 시행의 수.
    """

    workers: int
    cells: int
    claim_seconds: float
    trial_seconds: float
    done: int

    @property
    def outstanding(self) -> int:
        """묻고서 아직 끝나지 않은 시행의 상한."""
        return max(self._slots + max(self._slots // 2, 1), self.done // STALE_SHARE)

    @property
    def _slots(self) -> int:
        """이 칸의 몫으로 나가 있는 묶음의 수."""
        return -(-_CHUNKS_PER_WORKER * self.workers // max(self.cells, 1))

    def chunk(self, left: int) -> int:
        """한 묶음의 시행 수. left: 아직 보내지 않은 시행의 수. 끝에 가서 한 작업자에 몰리지 않게 한다."""
        by_time = round(CHUNK_SECONDS / max(self.trial_seconds, 1e-6))
        share = -(-left // (_CHUNKS_PER_WORKER * self.workers))
        fresh = self.outstanding // (self._slots + 1)
        return max(1, min(by_time, share, fresh, MAX_CHUNK))

    def ahead(self, in_flight: int) -> int:
        """앞서 물어 둘 수: 자리를 맡는 동안 작업자가 쉬지 않을 만큼. in_flight: 나가 있는 시행의 수."""
        cover = _AHEAD_SECONDS + 2 * self.claim_seconds
        rate = self.workers / max(self.trial_seconds, 1e-4) / max(self.cells, 1)
        return min(max(2, min(int(rate * cover) + 1, _MAX_AHEAD)), self.outstanding - in_flight)
