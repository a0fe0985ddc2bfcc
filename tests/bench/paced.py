"""벤치마크의 전략: 정한 만큼 쉬고 늘 같은 값을 낸다. CPU를 거의 쓰지 않으므로, 코어보다 많은 작업자를 흉내낸다."""

import time

import numpy as np

from optimize.strategy.parameter import FloatParameter, IntParameter
from optimize.strategy.protocol import Signals


class Paced:
    """시행 하나가 pause_ms 밀리초 걸린다. 나머지는 탐색할 차원일 뿐이다."""

    name = "paced"
    parameters = (
        IntParameter("pause_ms", 50, "쉬는 시간(ms)", low=0, high=1000),
        *(FloatParameter(f"x{i}", 0.5) for i in range(8)),
    )

    def signals(self, dataset, params):
        time.sleep(params["pause_ms"] / 1000)
        n = len(dataset.ltf)
        entry = np.zeros(n, np.int8)
        # 값이 파라미터에 달리게: 첫 차원이 정하는 봉에서 들어가고 열 봉 뒤에 나온다.
        at = min(int(params["x0"] * (n - 12)), n - 12)
        entry[at] = 1
        leave = np.zeros(n, bool)
        leave[at + 10 :] = True
        return Signals(entry=entry, exit_long=leave, exit_short=leave)
