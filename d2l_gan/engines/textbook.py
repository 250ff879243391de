"""The textbook's two updates, operator by operator, for every network that Gluon can run.

The arithmetic is that of `train.update_D` and `train.update_G`. But losses and logits stay on the
device until the epoch is over, so that Python and MXNet need not wait for each other in each step,
and D may be handed a condition or packs of examples.

On several contexts each has a copy of the networks and a shard of the batch, as in section 13.6 of
the book: a backward pass each, gradients summed, and the same update everywhere.
"""

from typing import Any, NamedTuple

from d2l_gan.engines import Adversarial, adapter

from mxnet import autograd, np


class Shard(NamedTuple):
    """One context's part of a batch; its `weight` is 0 where it only keeps its context going."""

    X: Any
    Z: Any
    condition: Any
    weight: int = 1


class Textbook(Adversarial):
    """Play with `autograd` and `Trainer.step`; see `Adversarial` for the arguments.

    Args:
        contexts: those that share each batch, `device` first; None for it alone.
    """

    def __init__(
        self, net_D, net_G, trainer_D, trainer_G, objective, first, device, sample=None,
        contexts=None,
    ):  # fmt: skip
        super().__init__(net_D, net_G, trainer_D, trainer_G, objective, first, device)
        self.trainer_D, self.trainer_G, self.steps_played = trainer_D, trainer_G, []
        self.contexts = contexts or [device]

    def play(self, batches, noise):
        """Play an epoch and return how many examples it had; see `Engine.play`."""
        if len(self.contexts) == 1:
            return super().play(batches, noise)
        for trainer in (self.trainer_D, self.trainer_G):
            adapter.even(trainer)  # a callback has written to the first copy alone
        examples = super().play(batches, noise)
        for trainer in (self.trainer_D, self.trainer_G):
            adapter.mean_statistics(trainer)
        return examples

    def step(self, X, Z, condition=None):
        """Update both players once; see `engines` for the shapes."""
        if len(X) < self.pack:
            return
        shards, fakes = self.shards(X, Z, condition), None
        if self.first == 'G':
            losses_G, fakes = self.update_G(shards)
        losses_D, real_Y, fake_Y = self.update_D(shards, fakes)
        if self.first == 'D':
            losses_G, _ = self.update_G(shards)
        played = zip(shards, losses_D, losses_G, real_Y, fake_Y)
        self.steps_played.append([noted for shard, *noted in played if shard.weight])

    def shards(self, X, Z, condition):
        """Return each context's shard of a batch, whole packs of examples."""
        if len(self.contexts) == 1:
            return [Shard(X, Z, condition)]
        packs, n, found = len(X) // self.pack, len(self.contexts), []
        for k, context in enumerate(self.contexts):
            start, stop = (i * packs // n * self.pack for i in (k, k + 1))
            weight = int(stop > start)  # its sum of gradients needs something of every context
            rows = slice(start, stop) if weight else slice(self.pack)
            parts = (a if a is None else a[rows].as_in_ctx(context) for a in (X, Z, condition))
            found.append(Shard(*parts, weight))
        return found

    def update_D(self, shards, fakes):
        """Update the discriminator once, on `fakes` if G has just made them."""
        with autograd.record():
            found = [self.lose_D(*given) for given in zip(shards, fakes or [None] * len(shards))]
        losses, *verdicts = zip(*found)
        self.move(self.trainer_D, shards, losses)
        if self.objective.clip is not None:
            for parameter in adapter.parameters(self.trainer_D):
                for data in parameter.list_data() if parameter.grad_req != 'null' else ():
                    data[:] = np.clip(data, -self.objective.clip, self.objective.clip)
        return (losses, *verdicts)

    def lose_D(self, shard, fake_X):
        """Return the discriminator's loss on a shard, and its verdicts on real and fake."""
        X, Z, condition, _ = shard
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
        return (loss_real + loss_fake) / 2, real_Y, fake_Y

    def update_G(self, shards):
        """Update the generator once."""
        with autograd.record():
            losses, fakes = zip(*(self.lose_G(shard) for shard in shards))
        self.move(self.trainer_G, shards, losses)
        return losses, fakes

    def lose_G(self, shard):
        """Return the generator's loss on a shard, and its fakes."""
        X, Z, condition, _ = shard
        fake_X = self.generate(Z, condition)
        # Judged afresh: the discriminator has just moved, so its old verdict is stale.
        fake_Y = self.judge(fake_X, condition)
        if self.objective.pairs:  # X: the partners of the fakes
            _, fake_Y = self.objective.verdicts(self.judge(X, condition), fake_Y)
        loss = self.objective.loss_G(fake_Y, np.ones(len(fake_Y), ctx=Z.ctx, dtype=Z.dtype))
        return loss, fake_X

    def move(self, trainer, shards, losses):
        """Let every context's backward pass begin, then sum the gradients and update."""
        with autograd.record():
            sums = [loss if shard.weight else 0 * loss for shard, loss in zip(shards, losses)]
        autograd.backward(sums)
        trainer.step(sum(len(loss) for shard, loss in zip(shards, losses) if shard.weight))

    def generate(self, Z, condition):
        """Return net_G's examples for the noise, and the condition if there is one."""
        return self.net_G(Z) if condition is None else self.net_G(Z, condition)

    def judge(self, X, condition):
        """Return net_D's logits, one for each example or pack of examples."""
        return self.net_D(*(adapter.packed(a, self.pack) for a in (X, condition) if a is not None))

    def notes(self):
        """Return, and forget, the steps since the last call; see `Adversarial.notes`."""
        steps, self.steps_played = self.steps_played, []
        return [
            tuple(np.concatenate([a.reshape(-1).as_in_ctx(self.device) for a in parts]).asnumpy()
                  for parts in zip(*step))
            for step in steps
        ]  # fmt: skip
