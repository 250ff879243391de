"""Several processes that play one game: what they ask before, and how they end."""

import re
import signal
import socket
import sys
import threading
from pathlib import Path

from chapters.__main__ import Chapters, start
from d2l_gan import archive, checkpoint, cluster, data, meeting, processes, rehearse, speak
from d2l_gan.callbacks.interrupt import Interrupt
from d2l_gan.checkpoint import KIND
from d2l_gan.train import train
from tests.benchmarks import machines, weather
from tests.test_cluster import listening

import pytest


def test_what_says_where_the_others_are():
    for given, told in (
        (('here', 2, 0), "`coordinator` is 'here'; it must be 'auto', or HOST:PORT as in"),
        (('127.0.0.1:99999', 2, 0), '`coordinator` is .*; it must be'),
        (('127.0.0.1:8476', 0, 0), '`num_processes` is 0; it must be an integer >= 1'),
        (('127.0.0.1:8476', 2, 2), '`process_id` is 2; it must be below `num_processes`, 2'),
        (('127.0.0.1:8476', 2), '`process_id` is None'),
        (('auto', 2), "`coordinator` is 'auto'; then JAX finds"),
    ):
        with pytest.raises(ValueError, match=told):
            cluster.join(*given)
    assert cluster.join('127.0.0.1:8476', 1, 0) is None
    assert cluster.team() is None


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        with pytest.raises(RuntimeError, match='process 0 cannot listen: Address already in use'):
            cluster.join(f'127.0.0.1:{other.getsockname()[1]}', 2, 0)


def test_without_a_launcher_one_sentence_asks_for_an_address():
    pytest.importorskip('jax')
    with pytest.raises(ValueError, match="`coordinator` is 'auto', and JAX finds no Slurm, Open"):
        cluster.join('auto')


SLURM = {'SLURM_JOB_ID': '4000', 'SLURM_STEP_NODELIST': 'localhost', 'SLURM_NTASKS': '2',
         'SLURM_PROCID': '0', 'SLURM_LOCALID': '0', 'SLURM_STEP_NUM_NODES': '1'}  # fmt: skip
OPEN_MPI = {'OMPI_MCA_orte_hnp_uri': '4096.0;tcp://127.0.0.1:34911', 'OMPI_COMM_WORLD_SIZE': '2',
            'OMPI_COMM_WORLD_RANK': '0', 'OMPI_COMM_WORLD_LOCAL_RANK': '0'}  # fmt: skip


@pytest.mark.parametrize('variables, host', [(SLURM, 'localhost'), (OPEN_MPI, '127.0.0.1')])
def test_process_0_is_to_listen_where_the_launcher_says_and_nowhere_else(
    monkeypatch, variables, host
):
    pytest.importorskip('jax')
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    address, *others = meeting.launched(1)
    port = int(address.rpartition(':')[2])
    assert address == f'{host}:{port}' and others == [2, 0]
    assert meeting.free(address, host, port) == address
    with socket.socket() as other:
        other.bind(('127.0.0.1', port))
        other.listen()
        with pytest.raises(RuntimeError, match='process 0 cannot listen: Address already in use'):
            cluster.join('auto')


def test_a_node_that_calls_itself_127_listens_for_other_nodes_too(monkeypatch):
    monkeypatch.setenv('SLURM_STEP_NUM_NODES', '2')
    port = processes.free_port()
    assert meeting.free('', 'localhost', port) == f'[::]:{port}'
    assert meeting.free(f'127.0.0.1:{port}', '127.0.0.1', port) == f'127.0.0.1:{port}'


def test_gloo_listens_where_the_coordinator_is_reached_from(monkeypatch):
    pytest.importorskip('jax')
    from jax._src.lib import xla_client

    seen = []
    given = lambda distributed_client, hostname=None: seen.append(hostname)
    monkeypatch.setattr(xla_client._xla, 'make_gloo_tcp_collectives', given)
    for host in ('127.0.0.1', 'localhost'):
        meeting.let_gloo_listen(host, 8476)
        xla_client._xla.make_gloo_tcp_collectives(distributed_client=None)
    meeting.let_gloo_listen('nobody.invalid', 8476)  # which process 0 will be asked for again
    assert seen == ['127.0.0.1'] * 2


def test_a_chapter_has_the_flags_and_asks_for_an_address(capsys):
    with pytest.raises(SystemExit) as stop:
        start('gaussian', {'coordinator': None, 'num_processes': 2, 'seed': 0})
    assert stop.value.code == 2
    assert '`coordinator` is None; it must say where process 0 is' in capsys.readouterr().err


@pytest.mark.parametrize('page', ['machines.md', 'cluster.md'])
def test_the_commands_of_the_pages_have_the_flags_that_they_are_given(page):
    text = (Path(__file__).parents[1] / '.book' / page).read_text()
    text = re.sub(r'\\\n|\n +(?=--)', ' ', text)  # a command is one line
    commands = re.findall(r'python -m chapters ([a-z]\S+)(.*)', text)
    assert len(commands) > 2
    for name, rest in commands:
        command = Chapters().get_command(None, name)
        known = {flag for option in command.params for flag in option.opts}
        rest = re.sub(r'#.*|`.*', '', rest)
        assert set(re.findall(r'--[a-z][a-z-]*', rest)) <= known, rest


class Store(dict):
    """Stand for JAX's store of keys."""

    def key_value_set(self, key, value):
        assert key not in self
        self[key] = value

    def key_value_delete(self, key):
        del self[key]

    def blocking_key_value_get(self, key, _):
        return self[key]


def teams(number):
    store, found = Store(), []
    for rank in range(number):
        team = cluster.Team.__new__(cluster.Team)
        team.rank, team.size, team.client, team.said = rank, number, store, 0
        team.ended, team.asked, team.over = None, 0, threading.Event()
        found.append(team)
    return store, found


def test_process_0_is_heard_by_all_and_what_all_have_read_is_forgotten():
    store, (first, second) = teams(2)
    for i in range(5):
        assert first.say(f'{i}') == second.say('unheard') == f'{i}'
    assert len(store) == 2


@pytest.mark.parametrize('heard', [True, False])
def test_a_signal_to_another_process_is_passed_on_unless_process_0_has_heard_it(monkeypatch, heard):
    store, (first, second) = teams(2)
    store.key_value_dir_get = lambda prefix: [*store.items()]
    monkeypatch.setattr(cluster, '_team', first)
    sent = []
    monkeypatch.setattr(cluster.os, 'kill', lambda pid, number: sent.append(number))
    if heard:
        interrupt = Interrupt()
        interrupt._on_signal(signal.SIGINT, None)
    second._on_signal(signal.SIGINT, None)
    second._sign(1)
    first.over.wait = lambda seconds: first.over.is_set() or bool(sent and first.over.set())
    monkeypatch.setattr(first, '_sign', lambda number: number > 3 and first.over.set())
    first._beat()
    assert sent == ([] if heard else [signal.SIGINT])


def test_what_differs_is_named():
    games = []
    for seed, lr_D in ((0, 0.1), (0, 0.1), (1, 0.1), (0, 0.2)):
        X = data.gaussian(24, seed)[0]
        train(*weather.networks(), data.Batches(X, 12), 1, lr_D, 0.1, 2, X, seed=0,
              callbacks=[games.append])  # fmt: skip
    one, *others = map(checkpoint.facts, games)
    for facts, told in zip(others, (None, 'batches', 'hyperparameters')):
        store, (first, second) = teams(2)
        store['same/1/1'] = cluster.json.dumps(facts)
        if told is None:
            first.same(one)
            continue
        with pytest.raises(ValueError, match=f'process 1 has other {told} than process 0'):
            first.same(one)


def test_only_process_0_speaks(monkeypatch, capsys):
    monkeypatch.setattr(speak, 'quiet', True)
    speak.tell('unheard', result=True)
    assert capsys.readouterr() == ('', '')


# JAX, where another test has loaded it, warns of every fork.
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
def test_a_rehearsal_passes_on_what_is_said_and_ends_all(capfd):
    assert rehearse.main(['--processes', '2']) == 2
    assert rehearse.main(['gaussian', '--processes', 'two']) == 2
    capfd.readouterr()
    assert rehearse.main(['gausian', '--processes', '2']) == 2
    assert capfd.readouterr().err.count("Did you mean 'gaussian'?") == 2


@pytest.mark.slow
def test_two_processes_play_the_game_of_one_also_after_one_was_killed(tmp_path):
    pytest.importorskip('jax')
    group = machines.Group(tmp_path / 'two')
    group.wait_for(2)
    found = [listening(process.pid) for process in group.members.values()]
    here = '0100007F', '0000000000000000FFFF00000100007F'  # as IPv4, or as IPv6 writes it
    assert all(found) and all(a.startswith(here) for one in found for a in one), found
    group.members[1].send_signal(signal.SIGKILL)
    assert group.ended(1, told='process 1 has been silent') < machines.WITHIN
    group = machines.Group(tmp_path / 'two', resume=True)
    assert group.wait() == [0, 0], group.said()
    assert 'Going on after epoch' in group.said()[0]
    assert group.said()[1] == ''
    machines.member(str(tmp_path / 'one'), '', 1, 0, machines.EPOCHS, False, None)
    name = f'checkpoints/epoch-{machines.EPOCHS:06d}.ckpt'
    (one, a), (two, b) = (archive.read(tmp_path / run / name, KIND) for run in ('one', 'two'))
    assert one['counters'] == two['counters']
    assert a.keys() == b.keys()
    for path in a.keys() - {'examples_per_sec'}:
        assert abs(a[path] - b[path]).max() <= 1e-5 * abs(a[path]).max(), path


@pytest.mark.slow
@pytest.mark.parametrize('fault', ['supervised', 'killed_and_asked_to_stop'])
def test_it_goes_on_when_it_is_started_again(tmp_path, fault):
    pytest.importorskip('jax')
    getattr(machines, fault)(tmp_path)


@pytest.mark.skipif(sys.platform != 'linux', reason='as the benchmark')
def test_every_fault_of_several_processes_is_in_the_table_of_the_weather():
    assert set(machines.FAULTS) <= set(weather.FAULTS)
