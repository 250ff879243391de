# The code of section 20.2 of "Dive into Deep Learning", its MXNet form, cell by cell, without its
# prose. Names, signatures and numbers are the book's interface: what a reader pastes.
# %%
from d2l import mxnet as d2l
from mxnet import gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()

# %%
d2l.DATA_HUB['pokemon'] = (
    d2l.DATA_URL + 'pokemon.zip', 'c065c0e2593b8b161a2d7873e42418bf6a21106c'
)  # fmt: skip
data_dir = d2l.download_extract('pokemon')
pokemon = gluon.data.vision.datasets.ImageFolderDataset(data_dir)

# %%
batch_size = 256
transformer = gluon.data.vision.transforms.Compose([
    gluon.data.vision.transforms.Resize(64),
    gluon.data.vision.transforms.ToTensor(),
    gluon.data.vision.transforms.Normalize(0.5, 0.5),
])  # fmt: skip
data_iter = gluon.data.DataLoader(
    pokemon.transform_first(transformer), batch_size=batch_size, shuffle=True,
    num_workers=d2l.get_dataloader_workers(),
)  # fmt: skip

# %%
d2l.set_figsize((4, 4))
for X, _ in data_iter:
    imgs = X[:20, :, :, :].transpose(0, 2, 3, 1) / 2 + 0.5
    d2l.show_images(imgs, num_rows=4, num_cols=5)
    break


# %%
class G_block(nn.Block):
    def __init__(self, channels, kernel_size=4, strides=2, padding=1, **kwargs):
        super().__init__(**kwargs)
        self.conv2d_trans = nn.Conv2DTranspose(
            channels, kernel_size, strides, padding, use_bias=False
        )
        self.batch_norm = nn.BatchNorm()
        self.activation = nn.Activation('relu')

    def forward(self, X):
        return self.activation(self.batch_norm(self.conv2d_trans(X)))


# %%
x = np.zeros((2, 3, 16, 16))
g_blk = G_block(20)
g_blk.initialize()
assert g_blk(x).shape == (2, 20, 32, 32)

# %%
x = np.zeros((2, 3, 1, 1))
g_blk = G_block(20, strides=1, padding=0)
g_blk.initialize()
assert g_blk(x).shape == (2, 20, 4, 4)

# %%
n_G = 64
net_G = nn.Sequential()
net_G.add(
    G_block(n_G * 8, strides=1, padding=0),
    G_block(n_G * 4),
    G_block(n_G * 2),
    G_block(n_G),
    nn.Conv2DTranspose(
        3, kernel_size=4, strides=2, padding=1, use_bias=False, activation='tanh'
    ),
)  # fmt: skip

# %%
x = np.zeros((1, 100, 1, 1))
net_G.initialize()
assert net_G(x).shape == (1, 3, 64, 64)

# %%
alphas = [0, 0.2, 0.4, 0.6, 0.8, 1]
x = np.arange(-2, 1, 0.1)
Y = [nn.LeakyReLU(alpha)(x).asnumpy() for alpha in alphas]
d2l.plot(x.asnumpy(), Y, 'x', 'y', alphas)


# %%
class D_block(nn.Block):
    def __init__(self, channels, kernel_size=4, strides=2, padding=1, alpha=0.2, **kwargs):
        super().__init__(**kwargs)
        self.conv2d = nn.Conv2D(channels, kernel_size, strides, padding, use_bias=False)
        self.batch_norm = nn.BatchNorm()
        self.activation = nn.LeakyReLU(alpha)

    def forward(self, X):
        return self.activation(self.batch_norm(self.conv2d(X)))


# %%
x = np.zeros((2, 3, 16, 16))
d_blk = D_block(20)
d_blk.initialize()
assert d_blk(x).shape == (2, 20, 8, 8)

# %%
n_D = 64
net_D = nn.Sequential()
net_D.add(
    D_block(n_D),
    D_block(n_D * 2),
    D_block(n_D * 4),
    D_block(n_D * 8),
    nn.Conv2D(1, kernel_size=4, use_bias=False),
)

# %%
x = np.zeros((1, 3, 64, 64))
net_D.initialize()
assert net_D(x).shape == (1, 1, 1, 1)


# %%
def train(net_D, net_G, data_iter, num_epochs, lr, latent_dim, device=d2l.try_gpu()):  # noqa: B008
    loss = gluon.loss.SigmoidBCELoss()
    net_D.initialize(init=init.Normal(0.02), force_reinit=True, ctx=device)
    net_G.initialize(init=init.Normal(0.02), force_reinit=True, ctx=device)
    trainer_hp = {'learning_rate': lr, 'beta1': 0.5}
    trainer_D = gluon.Trainer(net_D.collect_params(), 'adam', trainer_hp)
    trainer_G = gluon.Trainer(net_G.collect_params(), 'adam', trainer_hp)
    animator = d2l.Animator(
        xlabel='epoch', ylabel='loss', xlim=[1, num_epochs], nrows=2, figsize=(5, 5),
        legend=['discriminator', 'generator'],
    )  # fmt: skip
    animator.fig.subplots_adjust(hspace=0.3)
    for epoch in range(1, num_epochs + 1):
        timer = d2l.Timer()
        metric = d2l.Accumulator(3)
        for X, _ in data_iter:
            batch_size = X.shape[0]
            Z = np.random.normal(0, 1, size=(batch_size, latent_dim, 1, 1))
            X, Z = X.as_in_ctx(device), Z.as_in_ctx(device)
            metric.add(
                d2l.update_D(X, Z, net_D, net_G, loss, trainer_D),
                d2l.update_G(Z, net_D, net_G, loss, trainer_G),
                batch_size,
            )
        Z = np.random.normal(0, 1, size=(21, latent_dim, 1, 1), ctx=device)
        fake_x = net_G(Z).transpose(0, 2, 3, 1) / 2 + 0.5
        imgs = np.concatenate(
            [
                np.concatenate([fake_x[i * 7 + j] for j in range(7)], axis=1)
                for i in range(len(fake_x) // 7)
            ],
            axis=0,
        )
        animator.axes[1].cla()
        animator.axes[1].imshow(imgs.asnumpy())
        loss_D, loss_G = metric[0] / metric[2], metric[1] / metric[2]
        animator.add(epoch, (loss_D, loss_G))
    print(
        f'loss_D {loss_D:.3f}, loss_G {loss_G:.3f}, '
        f'{metric[2] / timer.stop():.1f} examples/sec on {str(device)}'
    )


# %%
latent_dim, lr, num_epochs = 100, 0.005, 20
train(net_D, net_G, data_iter, num_epochs, lr, latent_dim)
