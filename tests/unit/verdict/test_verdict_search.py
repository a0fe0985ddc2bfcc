"""유효 시행 수·우연 확률·CSCV: 논문의 절차와 알려진 경우를 되낸다."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from optimize.validation.blocks import block_counts
from optimize.verdict.cscv import MAX_TRIALS, probability_of_overfitting
from optimize.verdict.luck import effective_trials, luck_of, unit_blocks
from optimize.verdict.sharpe import expected_maximum, upper_tail

DAYS = 384
COUNTS = block_counts(DAYS)


def folded(returns, blocks=48):
    """float64[날, 시행]의 (합, 제곱합) [시행, 블록]."""
    edges = np.arange(blocks) * len(returns) // blocks
    return (
        np.add.reduceat(returns, edges).T.copy(),
        np.add.reduceat(returns**2, edges).T.copy(),
    )


def noise(trials, seed, days=DAYS, correlation=0.0):
    draw = np.random.default_rng(seed)
    own = draw.standard_normal((days, trials))
    return np.sqrt(1 - correlation) * own + np.sqrt(correlation) * draw.standard_normal((days, 1))


def by_the_paper(returns, groups):
    """CSCV를 논문의 차례 그대로: 조각을 이어 붙인 행렬에서 Sharpe를 재고 순위를 센다."""
    parts = np.split(returns, groups)
    logits, losses = [], []
    for chosen in combinations(range(groups), groups // 2):
        inside = np.concatenate([parts[i] for i in chosen])
        outside = np.concatenate([parts[i] for i in range(groups) if i not in chosen])
        first = inside.mean(axis=0) / inside.std(axis=0, ddof=1)
        second = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        best = int(first.argmax())
        omega = (np.sum(second < second[best]) + 1) / (returns.shape[1] + 1)
        logits.append(np.log(omega / (1 - omega)))
        losses.append(second[best] < 0)
    return np.array(logits), float(np.mean(losses))


@pytest.mark.parametrize("groups", [4, 8])
def test_cscv_is_the_procedure_of_the_paper(groups):
    returns = noise(12, 11) + np.linspace(0, 0.08, 12)
    logits, loss = by_the_paper(returns, groups)
    found = probability_of_overfitting(*folded(returns), COUNTS, groups)
    assert found is not None
    assert np.sort(found.logits) == pytest.approx(np.sort(logits))
    assert found.pbo == pytest.approx(np.mean(logits < 0) + 0.5 * np.mean(logits == 0))
    assert found.loss == loss


def test_cscv_takes_all_12870_splits():
    found = probability_of_overfitting(*folded(noise(20, 1)), COUNTS)
    assert found is not None
    assert len(found.logits) == 12_870


def test_full_overfit_is_certain():
    """논문의 첫째 경우: 모든 시행의 전체 평균이 0이면 표본 안의 이익은 표본 밖의 손실이다."""
    returns = noise(100, 2)
    returns -= returns.mean(axis=0)
    found = probability_of_overfitting(*folded(returns), COUNTS)
    assert found is not None
    assert found.pbo > 0.99
    assert found.loss > 0.99
    assert found.slope < -0.8


def test_one_good_strategy_among_noise_is_not_overfit():
    """논문의 둘째 경우: 참으로 좋은 하나가 늘 뽑히면 과최적화 확률이 0에 가깝다."""
    returns = noise(100, 3)
    returns[:, 7] += 0.4
    found = probability_of_overfitting(*folded(returns), COUNTS)
    assert found is not None
    assert found.pbo < 0.01
    assert found.loss < 0.01


def test_same_trials_share_their_rank():
    """모두 같은 시행이면 고르기가 뜻이 없다: 순위는 가운데, 과최적화 확률은 절반이다."""
    returns = np.repeat(noise(1, 4), 30, axis=1)
    found = probability_of_overfitting(*folded(returns), COUNTS)
    assert found is not None
    assert found.pbo == 0.5
    assert np.all(found.logits == 0)


def test_scale_and_unmoving_trials_do_not_matter():
    returns = noise(40, 5)
    plain = probability_of_overfitting(*folded(returns), COUNTS)
    scaled = probability_of_overfitting(*folded(returns * np.logspace(-9, 1, 40)), COUNTS)
    idle = np.concatenate([returns, np.zeros((DAYS, 5))], axis=1)
    with_idle = probability_of_overfitting(*folded(idle), COUNTS)
    assert plain is not None
    assert scaled is not None
    assert with_idle is not None
    assert scaled.pbo == pytest.approx(plain.pbo, abs=1e-3)
    assert with_idle.loss == plain.loss


def test_too_little_is_not_guessed():
    assert probability_of_overfitting(*folded(noise(9, 1)), COUNTS) is None
    short = noise(20, 1, days=31)
    assert probability_of_overfitting(*folded(short, 16), block_counts(31)) is None
    with pytest.raises(ValueError, match="나눌 수 없"):
        probability_of_overfitting(*folded(noise(20, 1), 40), np.ones(40), 16)


def test_very_many_trials_are_thinned():
    returns = noise(MAX_TRIALS // 10, 6)
    many = [np.tile(part, (11, 1)) for part in folded(returns)]
    found = probability_of_overfitting(*many, COUNTS, 4)
    assert found is not None
    assert found.trials == MAX_TRIALS


def test_effective_trials_of_known_cases():
    alone = effective_trials(unit_blocks(folded(noise(200, 7))[0], COUNTS), 200)
    assert alone.average == pytest.approx(200, rel=0.02)
    assert alone.spectral == pytest.approx(200, rel=0.1)
    same = effective_trials(
        unit_blocks(folded(np.repeat(noise(1, 8), 200, axis=1))[0], COUNTS), 200
    )
    assert same.average == pytest.approx(1.0)
    assert same.spectral == pytest.approx(1.0)
    half = effective_trials(unit_blocks(folded(noise(400, 9, correlation=0.5))[0], COUNTS), 400)
    assert half.correlation == pytest.approx(0.5, abs=0.12)
    assert half.average == pytest.approx(half.correlation + (1 - half.correlation) * 400)
    # 두 무리: 한 무리 안은 같고 서로는 상관이 없다.
    twins = np.repeat(noise(2, 10), 50, axis=1)
    two = effective_trials(unit_blocks(folded(twins)[0], COUNTS), 100)
    assert two.spectral == pytest.approx(2.0, rel=0.05)


def test_common_profit_is_not_correlation():
    """모두 버는 것은 닮은 것이 아니다: 상관은 평균을 뺀 것이며, 블록의 길이가 달라도 그렇다."""
    returns = noise(60, 15, days=370) + 3.0
    units = unit_blocks(folded(returns)[0], block_counts(370))
    assert effective_trials(units, 60).correlation < 0.02
    even = unit_blocks(folded(noise(2, 16))[0], COUNTS)
    assert float(even[0] @ even[1]) == pytest.approx(
        np.corrcoef(folded(noise(2, 16))[0])[0, 1], abs=1e-9
    )


def test_expected_luck_is_the_expected_maximum():
    luck = luck_of(unit_blocks(folded(noise(50, 12))[0], COUNTS))
    assert luck is not None
    assert luck.expected == pytest.approx(expected_maximum(50), abs=0.15)
    same = luck_of(unit_blocks(folded(np.repeat(noise(1, 13), 50, axis=1))[0], COUNTS))
    assert same is not None
    assert same.expected == pytest.approx(0.0, abs=0.1)
    assert same.independent == pytest.approx(1.0, abs=0.6)


def test_repeating_the_search_raises_the_luck():
    luck = luck_of(unit_blocks(folded(noise(50, 14))[0], COUNTS))
    assert luck is not None
    once = luck.probability(3.0)
    assert luck.probability(3.0, repeats=4.0) == pytest.approx(1 - (1 - once) ** 4)


def test_the_far_tail_is_not_cut_by_the_number_of_draws():
    """뽑은 2,000번이 닿지 않는 곳은 합의 부등식으로: 참으로 강한 것이 되풀이의 수에 눌리지 않는다."""
    luck = luck_of(unit_blocks(folded(noise(50, 14))[0], COUNTS))
    assert luck is not None
    assert luck.probability(7.0, repeats=200.0) > 0.05
    assert luck.probability(7.0, repeats=200.0, trials=50) < 1e-6
    assert luck.probability(2.0, trials=50) == luck.probability(2.0)
    # 찾은 20,000번을 이미 센 한계다: 되풀이한 수를 다시 곱하면 9.5 %가 되어 좋은 것을 의심한다.
    assert luck.probability(5.0, 200.0, 20_000) == pytest.approx(20_000 * upper_tail(5.0))
    for level in (0.2, 0.05, 1e-6):
        assert luck.probability(luck.score(level, 1.0, 50), trials=50) == pytest.approx(
            level, rel=0.1
        )
        far = luck.score(level / 10, 200.0, 20_000)
        assert luck.probability(far, 200.0, 20_000) == pytest.approx(level / 10, rel=0.1)


def test_luck_is_uniform_when_the_trials_resemble_each_other():
    """서로 닮은 잡음에서도 우연 확률이 5 %보다 작은 몫은 5 %다(독립인 잡음은 test_verdict_judge)."""
    found = []
    for seed in range(120):
        returns = noise(30, 1000 + seed, days=192, correlation=0.8)
        t_value = float((returns.mean(0) / returns.std(0, ddof=1)).max() * np.sqrt(192))
        luck = luck_of(unit_blocks(folded(returns)[0], block_counts(192)), draws=400)
        assert luck is not None
        found.append(luck.probability(t_value))
    # 120번 가운데 5 %의 99.9 % 이항 구간.
    assert np.sum(np.array(found) < 0.05) <= 15
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_no_moving_trial_has_no_luck():
    assert luck_of(unit_blocks(np.zeros((10, 48)), COUNTS)) is None
