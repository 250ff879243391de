"""The container's files name what is there, and let nobody in without a token."""

import fnmatch
import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Continued lines as one, without comments.
TEXT = re.sub(r'\\\n\s*', '', re.sub(r'(?m)^#.*\n', '', (ROOT / 'Dockerfile').read_text()))
LINES = [line.split(None, 1) for line in TEXT.splitlines() if line]


def told(instruction):
    return [rest for name, rest in LINES if name == instruction]


def sent():
    """Return the names of the checkout that .dockerignore leaves to the build."""
    rules = [line for line in (ROOT / '.dockerignore').read_text().splitlines() if line]
    assert rules[0] == '*', 'only what is listed is sent'
    return [rule[1:] for rule in rules if rule.startswith('!')]


def test_everything_that_is_sent_or_copied_is_there():
    for name in sent():
        assert (ROOT / name).exists(), name
    for line in told('COPY'):
        *sources, _ = (word for word in line.split() if not word.startswith('--'))
        for source in sources if '--from' not in line else ():
            assert (ROOT / source).exists(), source
            assert source == '.' or source.split('/')[0] in sent(), source


def test_what_runs_in_it_is_sent():
    (command,) = told('CMD')
    files = re.findall(r'[\w.]+/[\w.\[\]*-]+\.py', command)
    assert files
    for pattern in files:
        assert pattern.split('/')[0] in sent() and list(ROOT.glob(pattern)), pattern
    chapters = {path.name for path in (ROOT / 'chapters').glob('*.py')}
    listed = fnmatch.filter(chapters, '[a-z]*.py')
    assert chapters - set(listed) == {'__init__.py', '__main__.py'}


def test_the_reader_has_no_rights_and_needs_the_token():
    assert told('USER') == ['reader'] and [name for name, _ in LINES][-3:] == [
        'USER',
        'EXPOSE',
        'CMD',
    ]
    (command,) = told('CMD')
    assert 'token' not in command and 'password' not in command and 'allow-root' not in command
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    published = re.findall(r'docker run.* -p (\S+)', readme)
    assert published and set(published) == {'127.0.0.1:8888:8888'}


def test_what_installs_stays_behind():
    last = TEXT[TEXT.rindex('FROM ') :]
    assert last.startswith('FROM system\n') and 'apt-get' not in last and 'pip' not in last
    assert last.count('COPY --from=install') == 1


def test_the_editor_s_container_is_the_same():
    settings = json.loads((ROOT / '.devcontainer' / 'devcontainer.json').read_text())
    folder = ROOT / '.devcontainer'
    assert (folder / settings['build']['dockerfile']).resolve() == ROOT / 'Dockerfile'
    assert (folder / settings['build']['context']).resolve() == ROOT
    names = {line.split('=')[0] for line in told('ARG')}
    assert set(settings['build']['args']) <= names
    assert settings['remoteUser'] == told('USER')[0]
    assert settings['forwardPorts'] == [int(port) for port in told('EXPOSE')]
    interpreter = settings['customizations']['vscode']['settings']['python.defaultInterpreterPath']
    assert Path(interpreter).parent.as_posix() in told('ENV')[0]
