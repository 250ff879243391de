"""Toys of many modes, and the measures of what a generator finds of them."""

from d2l_gan import data, metrics

import numpy
import pytest
from scipy.special import erf

EIGHT = data.ring(8).centres
WHOLE = {'modes': 8, 'high_quality': 1.0, 'kl': 0.0}


def test_the_ring_has_eight_modes_and_not_seven():
    toy = data.ring(80_000, seed=1)
    assert len(numpy.unique(toy.centres.round(6), axis=0)) == 8
    assert numpy.allclose(numpy.linalg.norm(toy.centres, axis=1), 1)
    assert numpy.allclose((toy.centres[0], toy.centres[2]), ((1, 0), (0, 1)))
    apart = toy.points.asnumpy().reshape(-1, 8, 2) - toy.centres
    assert numpy.allclose(apart.mean(axis=0), 0, atol=5e-4)
    assert numpy.allclose(apart.std(axis=0), 0.01, rtol=0.05)


def test_the_grid_has_twenty_five_modes_around_its_middle():
    toy = data.grid(100_000, seed=2)
    assert sorted({*toy.centres.ravel()}) == [-4, -2, 0, 2, 4] and toy.centres.shape == (25, 2)
    apart = toy.points.asnumpy().reshape(-1, 25, 2) - toy.centres
    assert numpy.allclose(apart.std(axis=0), toy.sd, rtol=0.05) and toy.sd == 0.05
    assert toy.points.dtype == numpy.float32


def test_a_toy_depends_on_its_seed_alone():
    state = numpy.random.get_state()[1].copy()
    one, same, other = (data.ring(50, seed).points.asnumpy() for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()
    assert (numpy.random.get_state()[1] == state).all()


@pytest.mark.parametrize(
    'make, text',
    [
        (lambda: data.ring(0), '`num` is 0'),
        (lambda: data.ring(modes=0), '`modes` is 0'),
        (lambda: data.grid(side=2.5), '`side` is 2.5'),
        (lambda: data.grid(sd=0), '`sd` is 0; it must be finite and > 0'),
    ],
)
def test_impossible_toys_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize('toy', [data.ring(100_000, 3), data.grid(100_000, 3)], ids=['8', '25'])
def test_a_perfect_sampler_has_the_values_of_the_closed_form(toy):
    points, modes = toy.points.asnumpy(), len(toy.centres)
    for norm, share in (('l2', 1 - numpy.exp(-4.5)), ('linf', erf(3 / 2**0.5) ** 2)):
        found = metrics.mode_coverage(points, *toy[1:], norm=norm)
        assert found['modes'] == modes and found['kl'] == pytest.approx(0, abs=1e-9)
        assert found['high_quality'] == pytest.approx(share, abs=0.0015)
    four = metrics.mode_coverage(points, *toy[1:], within=4)
    assert four['high_quality'] == pytest.approx(1 - numpy.exp(-8), abs=5e-4)


def test_a_fair_sampler_has_the_kl_of_chance():
    rng, found = numpy.random.default_rng(0), []
    for _ in range(40):
        samples = EIGHT[rng.integers(8, size=10_000)]
        found.append(metrics.mode_coverage(samples, EIGHT, 0.01, num=2500)['kl'])
    assert numpy.mean(found) == pytest.approx(7 / 5000, rel=0.25)


def test_a_single_mode_has_the_best_quality_and_the_worst_kl():
    found = metrics.mode_coverage(EIGHT[[3] * 50], EIGHT, 0.01)
    assert found == {'modes': 1, 'high_quality': 1.0, 'kl': pytest.approx(numpy.log(8))}


def test_duplicates_fool_all_three():
    assert metrics.mode_coverage(numpy.tile(EIGHT, (10, 1)), EIGHT, 0.01) == WHOLE


def test_a_fog_reaches_modes_with_little_quality():
    fog = numpy.random.default_rng(0).uniform(-1.2, 1.2, (200_000, 2))
    found = metrics.mode_coverage(fog, EIGHT, 0.01)
    discs = 8 * numpy.pi * 0.03**2 / 2.4**2
    assert found['modes'] == 8 and found['high_quality'] == pytest.approx(discs, rel=0.1)


def test_the_border_belongs_to_the_mode_and_norms_differ_in_the_corner():
    corner = EIGHT[:1] + 0.025
    assert metrics.mode_coverage(corner, EIGHT, 0.01)['modes'] == 0
    assert metrics.mode_coverage(corner, EIGHT, 0.01, norm='linf')['modes'] == 1
    assert metrics.mode_coverage(numpy.array([[0.75, 0.0]]), [[0.0, 0.0]], 0.25)['modes'] == 1


def test_only_the_first_samples_are_counted():
    samples = numpy.concatenate([EIGHT, numpy.zeros((8, 2))])
    assert metrics.mode_coverage(samples, EIGHT, 0.01, num=8) == WHOLE
    assert metrics.mode_coverage(samples, EIGHT, 0.01)['high_quality'] == 0.5


@pytest.mark.parametrize(
    'keywords, text',
    [
        ({'norm': 'l1'}, "`norm` is 'l1'; it must be 'l2' or 'linf'"),
        ({'num': 9}, '`num` is 9; it must be at most 8, the number of `samples`'),
        ({'samples': [[numpy.nan, 0]]}, '`samples` has NaN'),
    ],
)
def test_bad_input_is_named(keywords, text):
    with pytest.raises(ValueError, match=text):
        metrics.mode_coverage(**{'samples': EIGHT, 'centres': EIGHT, 'sd': 0.01, **keywords})
