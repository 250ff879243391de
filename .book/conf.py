"""Build the book: Sphinx and MyST-NB, straight from the chapters. `make book` runs this.

`make book ARGS="-D book_epochs=1"` trains for one epoch wherever a chapter trains, to see the pages
soon. `-D exclude_patterns='*.py,templates/*,chapters/_*,chapters/mnist*'` leaves chapters out.
`-D language=zh_CN` is the Chinese book, of chapters that have run in the English one.
"""

import sys
from pathlib import Path

import d2l_gan

sys.path.insert(0, str(Path(__file__).parent))

project = html_title = 'd2l_gan'
author = 'the authors of d2l_gan'
version = release = d2l_gan.__version__
language = 'en'
extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.mathjax', 'sphinx.ext.napoleon']
extensions += ['pages', 'games', 'drawing', 'epub']
exclude_patterns = ['*.py', 'templates/*', 'chapters/_*', 'chapters/.*', '**/.ipynb_checkpoints']
nitpicky = True
nitpick_ignore_regex = [('py:.*', '(matplotlib|mxnet|numpy)[.].*')]  # not ours to link
nitpick_ignore_regex += [('py:exc', '.*')]  # Python's own
napoleon_numpy_docstring = False
napoleon_use_param = napoleon_use_rtype = False  # one entry may name several arguments

# Chapters are percent-format Python and run afresh each time, before pages are read (pages.py): a
# cache would not see that the library has changed. A cell that fails ends the build.
source_suffix = {'.py': 'myst-nb', '.md': 'myst-nb'}
nb_custom_formats = {'.py': ['pages.read', {}]}
nb_execution_mode = 'off'
nb_merge_streams = True
# Sliders need a kernel, and their script another site; where there is a film of them, show it.
nb_mime_priority_overrides = [('*', 'image/gif', 1)]
nb_ipywidgets_js = {}
myst_enable_extensions = ['amsmath', 'colon_fence', 'deflist', 'dollarmath']
myst_heading_anchors = 3

autodoc_default_options = {'members': True, 'member-order': 'bysource'}
autodoc_inherit_docstrings = False
toc_object_entries_show_parents = 'hide'

html_math_renderer = 'mathjax'
html_theme = 'furo'
html_favicon = 'icon.svg'
html_static_path = ['book.css', 'browser']
html_css_files = ['book.css']
templates_path = ['templates']
html_sidebars = {
    '**': [f'sidebar/{part}.html' for part in (
        'brand', 'languages', 'search', 'scroll-start', 'navigation', 'scroll-end',
    )]
}  # fmt: skip
html_copy_source = html_show_copyright = html_show_sphinx = False
epub_author = epub_publisher = epub_contributor = author
epub_copyright = 'Apache License 2.0'
epub_css_files = ['epub.css']
epub_description = 'For readers of Dive into Deep Learning, in Apache MXNet Gluon'
epub_identifier = epub_uid = project
epub_scheme = 'name'
epub_show_urls = 'no'
epub_tocscope = 'includehidden'
pygments_style, pygments_dark_style = 'friendly', 'github-dark'
