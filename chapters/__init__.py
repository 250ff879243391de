"""The textbook: one module per chapter. `python -m chapters` lists them."""

# The order of reading; what is not named here comes after.
ORDER = (
    'gaussian', 'sine', 'mnist_vanilla', 'mnist_leaky', 'mnist_deep', 'static_graph', 'xla', 'dcgan',
    'conditional', 'autoencoder', 'convergence', 'mode_collapse', 'parallel',
)  # fmt: skip
