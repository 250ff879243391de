"""Notice the signs of a collapse."""

from d2l_gan.archive import host
from d2l_gan.speak import tell

HELPED = (
    "What helped in the chapter on mode collapse: objective='relativistic', penalty='r1+r2' and "
    'average=0.999, all three.'
)

# A sign is told once it has lasted for PATIENCE epochs.
PATIENCE, SURE, ALIKE = 5, 0.99, 0.2


class Collapse:
    """Notice the signs of a collapse, and tell each in a sentence once it has lasted for 5 epochs.

    The sign "accuracy": D is right about more than 99 % of real and generated examples. "variety":
    the samples hardly differ, their variance is below a fifth of that of real examples. The first
    fifth of the epochs does not count: there, every run looks like that.

    `told` is what was said, {sign: sentence}.

    Args:
        what: what the examples are called.
        signs: further signs by name, callables (game) that return what there is to say or None.
    """

    def __init__(self, what='examples', **signs):
        self.what, self.more, self.lasted, self.told = what, signs, {}, {}

    def __call__(self, game):
        """Look at the epoch that has just ended."""
        if 5 * game.epoch <= game.num_epochs:
            return
        for sign, sentence in self.signs(game).items():
            self.lasted[sign] = self.lasted.get(sign, 0) + 1 if sentence else 0
            if self.lasted[sign] >= PATIENCE and sign not in self.told:
                self.told[sign] = f'For {PATIENCE} epochs, up to epoch {game.epoch}, {sentence}'
                tell(self.told[sign])

    def signs(self, game):
        """Return {sign: what there is to say of it after this epoch, or None}."""
        accuracy, what = game.history.accuracy_D[-1], self.what
        spread = [host(X).var(axis=0).sum() for X in (game.generate(), game.data)]
        variety = spread[0] / spread[1]
        return {
            'accuracy': accuracy > SURE and (
                f'D has told real from generated {what} in more than {SURE:.0%} of the cases '
                f'(now {accuracy:.1%}): it wins, and G has little to learn from that.'
            ),
            'variety': variety < ALIKE and (
                'the samples have been nearly identical: '
                f'their variance is {variety:.0%} of that of real {what}. {HELPED}'
            ),
            **{sign: look(game) for sign, look in self.more.items()},
        }  # fmt: skip
