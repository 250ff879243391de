"""Say in a table, and show in a figure, what the runs of a sweep came to."""

import numpy

# Which way a score is better, by its name; of others nobody can say which run was the worst.
HIGHER = {
    'accuracy', 'agreement', 'classifier_score', 'digits_present', 'high_quality', 'modes',
    'parzen', 'phase_spread', 'phases_present', 'train_on_fake', 'variety',
}  # fmt: skip
LOWER = {
    'bound', 'class_kl', 'frechet', 'kl', 'memorised', 'nll', 'reconstruction', 'rmse', 'w2_sample',
    'w2_truth',
}  # fmt: skip
PANELS = 6  # in a figure


def label(arguments):
    """Return a setting in words."""
    return ', '.join(f'{name}={value}' for name, value in arguments.items()) or 'defaults'


def spread(runs):
    """Return {(setting, score): sorted array, the best first}, of the runs that did not fail."""
    found = {}
    for run in runs:
        for name, value in (run['scores'] or {}).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                found.setdefault((label(run['arguments']), name), []).append(value)
    return {
        (setting, name): numpy.sort(values)[:: -1 if name in HIGHER else 1]
        for (setting, name), values in found.items()
    }


def table(runs):
    """Return a line for each setting and score: how many runs, the median, 90 % and the worst.

    90 % of the runs are at least as good as the number in that column. Of a score that is neither
    better high nor low there are the median and the range.
    """
    lines = [
        '| setting | score | runs | median | 90 % | worst |',
        '| --- | --- ' + '| ---: ' * 4 + '|',
    ]
    for (setting, name), values in spread(runs).items():
        if name in HIGHER | LOWER:
            most = numpy.quantile(values, 0.1 if name in HIGHER else 0.9)
            cells = f'{most:.4g} | {values[-1]:.4g}'
        else:
            cells = f'| {values[0]:.4g} to {values[-1]:.4g}'
        median = numpy.median(values)
        lines.append(f'| {setting} | {name} | {len(values)} | {median:.4g} | {cells} |')
    return '\n'.join(lines)


def figure(runs):
    """Return a figure with a panel for each score: every run a point, the median a stroke."""
    from d2l_gan import plots

    found = spread(runs)
    scores = list(dict.fromkeys(name for _, name in found))
    scores = [name for name in scores if name in HIGHER | LOWER][:PANELS] or scores[:PANELS]
    settings = list(dict.fromkeys(setting for setting, _ in found))
    fig = plots.Picture(figsize=(1 + 3.2 * max(1, len(scores)), 1 + 0.3 * len(settings)))
    panels = fig.subplots(1, max(1, len(scores)), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, scores):
        for row, setting in enumerate(settings):
            values = found.get((setting, name), numpy.zeros(0))
            height = row + 0.3 * numpy.sin(2.4 * numpy.arange(len(values)))  # apart, and always so
            axes.plot(values, height, '.', color='C0', alpha=0.5, markersize=4)
            if len(values):
                axes.plot([numpy.median(values)] * 2, [row - 0.4, row + 0.4], color='C1', lw=2)
        every = numpy.concatenate([values for (_, score), values in found.items() if score == name])
        if every.min() > 0 and every.max() > 30 * every.min():
            axes.set_xscale('log')
        better = ', higher is better' if name in HIGHER else ', lower is better' * (name in LOWER)
        axes.set_xlabel(name + better, fontsize=9)
        axes.grid(axis='x', alpha=0.3)
    panels[0].set_yticks(range(len(settings)), settings)
    panels[0].invert_yaxis()
    return fig
