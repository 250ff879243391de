"""The textbook's two updates, operator by operator, for every network that Gluon can run.

The arithmetic is that of `train.update_D` and `train.update_G`. But losses and logits stay on the
device until the epoch is over, so that Python and MXNet need not wait for each other in each step,
and D may be handed a condition or packs of examples.
"""

from d2l_gan.engines import Adversarial, adapter

from mxnet import autograd, np


class Textbook(Adversarial):
    """Play with `autograd` and `Trainer.step`; see `Adversarial` for the arguments."""

    def __init__(self, net_D, net_G, trainer_D, trainer_G, objective, first, device, sample=None):
        super().__init__(net_D, net_G, trainer_D, trainer_G, objective, first, device)
        self.trainer_D, self.trainer_G, self.steps_played = trainer_D, trainer_G, []

    def step(self, X, Z, condition=None):
        """Update both players once; see `engines` for the shapes."""
        if len(X) < self.pack:
            return
        fake_X = None
        if self.first == 'G':
            loss_G, fake_X = self.update_G(X, Z, condition)
        loss_D, real_Y, fake_Y = self.update_D(X, Z, condition, fake_X)
        if self.first == 'D':
            loss_G, _ = self.update_G(X, Z, condition)
        self.steps_played.append((loss_D, loss_G, real_Y, fake_Y))

    def update_D(self, X, Z, condition, fake_X):
        """Update the discriminator once, on `fake_X` if G has just made them."""
        with autograd.record():
            real_Y = self.judge(X, condition)
            if fake_X is None:
                fake_X = self.generate(Z, condition)
            # Detached: the generator is a given here, no gradient flows back into it.
            fake_Y = self.judge(fake_X.detach(), condition)
            real_Y, fake_Y = self.objective.verdicts(real_Y, fake_Y)
            ones, zeros = (f(len(real_Y), ctx=X.ctx, dtype=X.dtype) for f in (np.ones, np.zeros))
            loss_real, loss_fake = (
                self.objective.loss_D(Y, y) for Y, y in ((real_Y, ones), (fake_Y, zeros))
            )
            loss = (loss_real + loss_fake) / 2
        loss.backward()
        self.trainer_D.step(len(real_Y))
        if self.objective.clip is not None:
            for parameter in adapter.parameters(self.trainer_D):
                if parameter.grad_req != 'null':
                    clipped = np.clip(parameter.data(), -self.objective.clip, self.objective.clip)
                    parameter.data()[:] = clipped
        return loss, real_Y, fake_Y

    def update_G(self, X, Z, condition):
        """Update the generator once; X: the partners of its fakes, if D judges pairs."""
        with autograd.record():
            fake_X = self.generate(Z, condition)
            # Judged afresh: the discriminator has just moved, so its old verdict is stale.
            fake_Y = self.judge(fake_X, condition)
            if self.objective.pairs:
                _, fake_Y = self.objective.verdicts(self.judge(X, condition), fake_Y)
            loss = self.objective.loss_G(fake_Y, np.ones(len(fake_Y), ctx=Z.ctx, dtype=Z.dtype))
        loss.backward()
        self.trainer_G.step(len(fake_Y))
        return loss, fake_X

    def generate(self, Z, condition):
        """Return net_G's examples for the noise, and the condition if there is one."""
        return self.net_G(Z) if condition is None else self.net_G(Z, condition)

    def judge(self, X, condition):
        """Return net_D's logits, one for each example or pack of examples."""
        return self.net_D(*(adapter.packed(a, self.pack) for a in (X, condition) if a is not None))

    def notes(self):
        """Return, and forget, the steps since the last call; see `Adversarial.notes`."""
        steps, self.steps_played = self.steps_played, []
        return [tuple(a.asnumpy().reshape(-1) for a in step) for step in steps]
