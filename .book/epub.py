"""The book as an EPUB, for readers without a browser: formulas are pictures, and nothing plays.

`make epub` runs no chapter: it shows what they showed in build/book. Sphinx lists no MathML in the
package, and few programs that read EPUBs set it well; so formulas are drawn here, as SVG, and what
they are in TeX is the text in their place.
"""

import hashlib
import re
from html import escape
from pathlib import Path

import ziamath
from docutils import nodes
from pages import spoken
from translation import Translations

SIZE = 16  # of a letter in a formula, for its size in em
# Folded cells, as MyST-NB writes them: what to say while open, and the same while folded.
SUMMARY = re.compile(r'<summary [^>]*>\s*<p [^>]*>(.*?)</p>.*?</summary>', re.DOTALL)
# What must not begin a line is tied to the formula before it.
TIED = re.compile(r'(<img class="formula" [^>]*>)(?=[^\s\w<(“（])')
TITLE = 'Generative adversarial networks, chapter by chapter'


def picture(self, tex, inline):
    """Return an element that shows a formula, drawn once however often it is there."""
    name = f'formula-{hashlib.sha256(f"{inline}{tex}".encode()).hexdigest()[:16]}.svg'
    svg = ziamath.Latex(tex, inline=inline, size=SIZE).svg()
    path = Path(self.builder.outdir) / self.builder.imagedir / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(svg, encoding='utf-8')
    _, top, width, height = map(float, re.search('viewBox="(.*?)"', svg).group(1).split())
    style = f'width: {width / SIZE:.3f}em; vertical-align: {-(top + height) / SIZE:.3f}em'
    source = f'{self.builder.imgpath}/{name}'
    return f'<img class="formula" src="{source}" alt="{escape(tex)}" style="{style}"/>'


def inline(self, node):
    """Write a formula in a line."""
    self.body.append(picture(self, node.astext(), inline=True))
    raise nodes.SkipNode


def block(self, node):
    """Write a formula that stands by itself, with its number if it has one."""
    number = f'<span class="eqno">({node["number"]})</span>' if node['number'] else ''
    self.body.append(self.starttag(node, 'div', CLASS='math'))
    self.body.append(f'{number}{picture(self, node.astext(), inline=False)}</div>\n')
    raise nodes.SkipNode


def begin(app):
    """Leave out what is for a browser; say the book's language."""
    if app.builder.name == 'epub':
        app.config.html_static_path = ['epub.css']
        app.config.epub_language = spoken(app)
        app.config.epub_title = Translations('index', spoken(app)).say(TITLE)


def unwrap(app, doctree, docname):
    """Take lists out of paragraphs, where Sphinx puts those of a docstring's `Returns:`."""
    for paragraph in list(doctree.findall(nodes.paragraph)):
        if any(isinstance(child, (nodes.paragraph, nodes.bullet_list)) for child in paragraph):
            paragraph.replace_self(paragraph.children)


def page(app, pagename, templatename, context, doctree):
    """Leave out MyST-NB's style, which comes too late to be packed, and paragraphs in a summary."""
    if app.builder.name == 'epub':
        context['css_files'] = [css for css in context['css_files'] if 'mystnb' not in str(css)]
        body = SUMMARY.sub(r'<summary>\1</summary>', context.get('body', ''))
        context['body'] = TIED.sub('\\1\u2060', body)


def setup(app):
    """Set this extension up."""
    ziamath.config.svg2 = False  # older readers know no <symbol>
    app.add_config_value('epub_math_renderer', 'picture', 'env', [str])
    app.add_html_math_renderer('picture', (inline, None), (block, None))
    app.connect('builder-inited', begin, priority=200)
    app.connect('doctree-resolved', unwrap)
    app.connect('html-page-context', page)
    return {'parallel_read_safe': True}
