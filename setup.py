"""Install `d2l_gan` and its chapters, with the MXNet and NumPy that fit this Python."""

import atexit
import re
import shutil
import tempfile
from pathlib import Path

from setuptools import find_packages, setup

text = (Path(__file__).parent / 'd2l_gan' / '__init__.py').read_text(encoding='utf-8')
version = re.search(r"__version__ = '(.+)'", text).group(1)
readme = Path(__file__).parent / 'README.md'

# What mxnet 1.9.1 asks for is all that is pinned: numpy<2, requests<3, graphviz<0.9. That NumPy has
# no wheel from Python 3.13 on; there MXNet works all the same, once installed with --no-deps, as
# .ci/install does and README says. What it needs is listed here.
requires = [
    "mxnet==1.9.1; python_version < '3.13'",
    "graphviz; python_version >= '3.13'",
    "requests; python_version >= '3.13'",
    'click>=8',
    'filelock',
    'matplotlib',
    'numpy',
    'pillow',
    'platformdirs',
    'pooch',
    'scikit-learn',
    'tqdm',
]
# The textbook's own package, for its cells and for the tests; nothing in the library imports it.
# d2l 1.0.3 pins a numpy that has no wheel from Python 3.12 on, with pandas, matplotlib and more.
book_cells = [
    "d2l==1.0.3; python_version < '3.12'",
    "d2l==0.16.6; python_version == '3.12'",
    "ipython<9; python_version < '3.13'",  # 9 lost what d2l 0.16.6, and matplotlib 3.7, call
    "ipython; python_version >= '3.13'",
    "matplotlib-inline; python_version >= '3.13'",
    "pandas; python_version >= '3.13'",
]
# The pip that comes with Python 3.8 and 3.9 tries for hours which of these go together; these do.
together = (
    'bleach>=6.1 ipykernel>=6.29 ipywidgets>=8.1 jsonschema>=4.23 jupyter-console>=6.6 '
    'jupyter-events>=0.10 jupyter-server>=2.14 jupyterlab>=4.3 nbconvert>=7.16 notebook>=7.3 '
    'qtconsole>=5.6 terminado>=0.18'
)
book_cells += [f"{need}; python_version < '3.10'" for need in together.split()]
notebook = ['babel', 'ipykernel', 'ipywidgets', 'jupyterlab', 'jupytext', 'nbclient', 'nbconvert']
export = ["onnx>=1.14.1,<1.18; python_version < '3.13'", "onnxruntime; python_version < '3.13'"]
xla = ["jax>=0.4.30; python_version >= '3.9'"]
sphinx = ['sphinx', 'sphinx-mathjax-offline', 'ziamath']
cluster = ['distributed>=2023.5']
test = [
    'babel', 'hypothesis', 'ipykernel', 'jupytext', 'nbclient', 'nox', 'pytest', 'pytest-cov',
    'pytest-xdist', 'ruff', 'scipy', 'selenium', 'setuptools',
]  # fmt: skip

classifiers = [
    'Development Status :: 5 - Production/Stable',
    'Intended Audience :: Education',
    'Intended Audience :: Science/Research',
    'Natural Language :: Chinese (Simplified)',
    'Natural Language :: English',
    'Operating System :: MacOS',
    'Operating System :: POSIX :: Linux',
    *(f'Programming Language :: Python :: 3.{minor}' for minor in range(8, 14)),
    'Topic :: Education',
    'Topic :: Scientific/Engineering :: Artificial Intelligence',
]

# Not build/, where results go, and where a module that is gone would be packed from another time.
scratch = tempfile.mkdtemp()
atexit.register(shutil.rmtree, scratch, ignore_errors=True)

setup(
    name='d2l_gan',
    version=version,
    description="The textbook's generative adversarial networks, on MXNet, to learn from",
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    classifiers=classifiers,
    packages=find_packages(include=['d2l_gan', 'd2l_gan.*', 'chapters']),
    package_data={'chapters': ['*.gif', '*.png', '*.md', '*.json'], 'd2l_gan': ['*.po']},
    options={'build': {'build_base': scratch}},
    python_requires='>=3.8',
    install_requires=requires,
    extras_require={
        'd2l': book_cells,
        'gpu': ["jax[cuda12]>=0.4.30; python_version >= '3.9' and sys_platform == 'linux'"],
        # MXNet's own, for Maxwell to Ada. It and the CPU build overwrite each other; the doctor
        # says what to do then.
        'mxnet-gpu': [
            "mxnet-cu117==1.9.1; sys_platform == 'linux' and platform_machine == 'x86_64'"
        ],
        'notebook': notebook,
        'export': export,
        'xla': xla,
        'cluster': cluster,
        'test': [*book_cells, *test, *export, *xla, *cluster],
        'release': ['build', 'check-wheel-contents', 'twine'],
        'book': ['babel', 'furo', 'jupytext', 'myst-nb', 'nbclient', *sphinx, *xla],
    },
    entry_points={'console_scripts': ['d2l-gan = chapters.__main__:main']},
)
