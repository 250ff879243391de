"""What plays in the book's pages: scripts without dependencies, each where it is wanted."""

import os
import re
from pathlib import Path

from chapters.__main__ import names
from d2l_gan import words

from docutils import nodes
from PIL import Image
from sphinx.util.docutils import SphinxDirective
from translation import Translations

ROOT = Path(__file__).resolve().parent.parent
PLAY = ['words.js', 'page.js', 'game.js', 'play.js']
FILMS = ['words.js', 'page.js', 'films.js']
PICTURES = 'training.gif', 'walk.gif', '*.gif', '*.png'  # of a chapter, the best first


class Play(SphinxDirective):
    """The game of the front page; the content is what a browser without scripts shows instead."""

    has_content = True

    def run(self):
        """Return the place that the script fills."""
        place = nodes.container(ids=['play'])
        place += self.parse_content_to_nodes()
        add_scripts(self.env, PLAY)
        return [place]


class Cards(SphinxDirective):
    """What each chapter teaches, as README says it, under a film that it made in this build."""

    def run(self):
        """Return a card for each chapter."""
        readme = ROOT / 'README.md'
        self.env.note_dependency(str(readme))
        text = readme.read_text(encoding='utf-8')
        taught = {
            name.replace('-', '_'): what
            for name, what in re.findall(r'^\| `chapter-(\S+)` \| (.+) \|$', text, re.MULTILINE)
        }
        say = Translations('README', words.language()).say
        cards = nodes.container(classes=['cards'])
        for name in names():
            if f'chapters/{name}' not in self.env.found_docs:
                continue  # left out of a draft
            card = nodes.container(classes=['card'])
            picture = self.picture(name)
            if picture:
                card += list(self.images(picture, name))
            lines = f'**{{doc}}`/chapters/{name}`**\n\n{say(taught.get(name, ""))}'
            card += self.parse_text_to_nodes(lines)
            cards += card
        add_scripts(self.env, FILMS)
        return [cards]

    def images(self, picture, name):
        """Yield the nodes of a picture; of a film its last frame as well, which stands."""
        kinds = [(picture, [])]
        epub = self.env.app.builder.name == 'epub'
        if picture.suffix == '.gif':
            still = Path(self.config.book_runs) / 'stills' / f'{name}-{words.language()}.png'
            still.parent.mkdir(exist_ok=True)
            with Image.open(str(picture)) as film:
                film.seek(film.n_frames - 1)
                film.convert('RGB').save(str(still))
            kinds = [(still, ['still'])] + [(picture, ['film'])] * (not epub)
        for path, classes in kinds:
            uri = '/' + os.path.relpath(path, self.env.srcdir)
            yield nodes.image(uri=uri, alt='', loading='lazy', classes=classes)

    def picture(self, name):
        """Return the path of the best picture that the chapter left in this build, or None."""
        runs = Path(self.config.book_runs) / 'build'
        folders = [runs / name, *sorted(runs.glob(f'{name}?*'))]
        if words.language() != 'en':
            folders = [folder / words.language() for folder in folders] + folders
        found = (sorted(f.rglob(kind)) for kind in PICTURES for f in folders)
        return next((paths[0] for paths in found if paths), None)


def add_scripts(env, names):
    """Let the page that is being read load these scripts, in this order."""
    scripts = env.metadata[env.docname].setdefault('scripts', [])
    scripts += [name for name in names if name not in scripts]


def load(app, pagename, templatename, context, doctree):
    """Add to a page the scripts that it asks for, and what they look like."""
    scripts = app.env.metadata[pagename].get('scripts', [])
    if app.builder.name == 'epub':
        return
    for name in scripts:
        app.add_js_file(name, loading_method='defer')
    if scripts:
        app.add_css_file('game.css')
    # Sphinx gives the headings of the contents a role without its level.
    tree = context.get('furo_navigation_tree', '')
    context['furo_navigation_tree'] = tree.replace('"heading"', '"heading" aria-level="2"')


def setup(app):
    """Set this extension up."""
    app.add_directive('cards', Cards)
    app.add_directive('play', Play)
    app.connect('html-page-context', load, priority=900)  # after furo's
    return {'parallel_read_safe': True}
