"""The smallest game, beside its closed forms."""

import json

from chapters import convergence as chapter

import numpy
import pytest


@pytest.mark.parametrize('title', chapter.CASES)
def test_the_eigenvalues_by_formula_are_those_of_the_step(title):
    for rate in (0.05, 0.2, 0.5):
        known = chapter.closed_form(rate, **chapter.CASES[title])
        found = chapter.measured(rate, **chapter.CASES[title])
        if len(known) == 4:
            assert numpy.allclose(numpy.sort_complex(known), numpy.sort_complex(found), atol=1e-6)
        # Where two roots meet, a rounding error moves them by its root.
        assert chapter.radius(known) == pytest.approx(chapter.radius(found), abs=1e-4)


def test_momentum_drives_apart_by_the_factor_that_the_text_says():
    for beta1 in (0.5, 0.9):
        grown = chapter.radius(chapter.closed_form(0.002, beta1=beta1)) ** 2 - 1
        assert grown == pytest.approx(0.001**2 * (1 + beta1) / (1 - beta1), rel=0.01)


def test_minimax_and_wasserstein_circle_and_r1_arrives():
    for game in ('minimax', 'wasserstein'):
        assert numpy.allclose((chapter.exact(time=20.0, game=game) ** 2).sum(axis=1), 1, atol=1e-6)
    turns = chapter.exact(
        time=numpy.pi, steps=300, game='wasserstein'
    )  # at an angle of 1 a unit of time
    assert numpy.allclose(turns[-1], (-1, 0), atol=1e-8)
    assert numpy.linalg.norm(chapter.exact(time=60.0, r1=1.0)[-1]) < 1e-6


def test_the_speed_is_the_slope_of_the_losses():
    """By finite differences of the losses in the first table; D's with noise, too."""
    draws = numpy.random.default_rng(0).standard_normal(400_000)
    softplus = lambda o: numpy.logaddexp(0, o)
    tiny, (theta, psi) = 1e-4, (0.6, -0.8)
    losses = {
        'minimax': lambda theta: -softplus(psi * theta),
        'non_saturating': lambda theta: softplus(-psi * theta),
        'relativistic': lambda theta: softplus(-psi * theta),
        'wasserstein': lambda theta: -psi * theta,
    }
    for game, loss in losses.items():
        slope = (loss(theta + tiny) - loss(theta - tiny)) / (2 * tiny)
        assert chapter.speed((theta, psi), game)[0] == pytest.approx(-slope, rel=1e-6)

    def loss_D(psi):
        x = 0.7 * draws
        return (softplus(-psi * x) + softplus(psi * (theta + x))).mean()

    slope = (loss_D(psi + tiny) - loss_D(psi - tiny)) / (2 * tiny)
    assert chapter.speed((theta, psi), noise=0.7)[1] == pytest.approx(-slope, abs=0.005)


def test_where_the_games_end():
    found = chapter.ends()
    assert found['minimax'][0] == pytest.approx(1, abs=0.1) and found['minimax, at once'][0] > 2
    assert found['non_saturating'] == found['relativistic']
    assert found['non_saturating'][0] < 0.5 and found['R1 0.3'][0] < 1e-5
    assert found['noise 0.7'][0] < 1e-4
    assert found['minimax'][1] < 0.05 and found['wasserstein'][1] < 0.05
    assert found['momentum 0.9'][0] > found['momentum 0.5'][0] > 2


def test_losses_at_the_balance_are_those_of_the_book():
    for loss in chapter.losses_of(numpy.zeros((1, 2))):
        assert loss == pytest.approx(numpy.log(2))


def test_a_run_writes_its_pictures_and_scores(tmp_path, monkeypatch, blank):
    """The book shows them, so that slow tests draw them."""
    monkeypatch.setattr(chapter, 'CHANGES', {'momentum 0.5': {'beta1': 0.5}})
    scores = chapter.run(num_epochs=1, num_seeds=1, steps=20, out=tmp_path)
    assert json.loads((tmp_path / 'scores.json').read_text())['gaussian'] == scores['gaussian']
    names = ('fields', 'eigenvalues', 'losses', 'distances')
    assert all((tmp_path / f'{name}.png').stat().st_size > 1000 for name in names)


def test_a_rate_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r'`rate` is 3; it must be in \(0, 2\)'):
        chapter.run(rate=3, out=tmp_path)
