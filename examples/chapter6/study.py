"""Running trials through Optuna: any storage, several processes, and going on after a kill.

The points of a round are drawn first and put into the study as waiting trials, a few at a time, each with its
round and its place. Workers take waiting trials until none is left; the storage hands each out once, to
processes and machines alike. What a killed worker left half done is noticed by its missing heartbeat, and its
place is put into the study again.
"""

import contextlib
import multiprocessing
import signal
import time
import warnings
import weakref
from dataclasses import replace

import numpy as np
import optuna
from optuna.trial import TrialState
from sqlalchemy import event

import tinygrad6 as torch

from .lab import LabError

HEARTBEAT = 4  # seconds; a trial without one for twice as long is taken for dead
AHEAD = 12  # trials waiting or running at a time: Optuna reads all of them again at every step

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # heartbeats are that


def open_study(lab, name, must_exist=False):
    """The study of this name in the lab's storage:
    an SQLite file beside the results unless an URL was given."""
    url = lab.storage or f"sqlite:///{(lab.out / 'results' / f'search-{lab.key}.db').resolve()}"
    try:
        storage = optuna.storages.RDBStorage(
            url,
            heartbeat_interval=HEARTBEAT,
            engine_kwargs={"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None,
        )
        if url.startswith("sqlite"):
            _whole_transactions(storage.engine)
        if must_exist:
            study = optuna.load_study(study_name=name, storage=storage)
        else:
            study = optuna.create_study(
                study_name=name, storage=storage, direction="maximize", load_if_exists=True
            )
        weakref.finalize(study, storage.engine.dispose)  # closes the connections, which nobody else does
        return study
    except KeyError:
        raise LabError(
            f"search: there is no study {name} in {url} to join; start the search without --join first"
        ) from None
    except Exception as e:  # each database has its own errors
        raise LabError(f"search: Optuna cannot use the storage {url}: {str(e).splitlines()[0]}") from None


def _whole_transactions(engine):
    """Let SQLite lock where a transaction begins, or two workers may both read that a trial waits,
    and both take it.

    Python's sqlite3 begins a transaction at the first write only, and SQLite does not know SELECT ... FOR
    UPDATE.
    """

    @event.listens_for(engine, "connect")
    def connect(connection, record):
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")  # a commit need not wait for the disk,
        connection.execute("PRAGMA synchronous = NORMAL")  # and is safe from all but a power cut

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections made before


def forget(lab, name):
    study = open_study(lab, name)
    optuna.delete_study(study_name=name, storage=study._storage)


def run_points(lab, study, label, points, objective, crew, bar):
    """Let the crew evaluate every point once; the trials in the order of the points."""
    while True:
        trials = [t for t in study.get_trials(deepcopy=False) if t.user_attrs.get("round") == label]
        done = {t.user_attrs["place"]: t for t in trials if t.state == TrialState.COMPLETE}
        bar.n = len(done)
        bar.refresh()
        if len(done) == len(points):
            return [done[place] for place in range(len(points))]
        pending = {
            t.user_attrs["place"] for t in trials if t.state in (TrialState.WAITING, TrialState.RUNNING)
        }
        missing = [place for place in range(len(points)) if place not in done and place not in pending]
        for place in missing[: max(AHEAD - len(pending), 0)]:
            study.enqueue_trial(points[place], user_attrs={"round": label, "place": place})
        if not missing:  # the last ones: is anybody still at them?
            optuna.storages.fail_stale_trials(study)
        if not crew and work(lab, study, objective):
            continue
        if any(w.exitcode is not None for w in crew):
            raise LabError(
                "search: a worker ended, its error is above; what is done is kept for the next run"
            )
        time.sleep(0.1)


def work(lab, study, objective):
    """Take waiting trials until there are none: how many were run."""

    def one(trial):
        if (
            "place" not in trial.user_attrs
        ):  # somebody else took the last one that waited, and Optuna made this up
            raise optuna.TrialPruned
        return objective(lab, trial)

    count = 0
    while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.optimize(one, n_trials=1)
        count += 1
    return count


def join(lab, name, objective, needed=lambda: True):
    """Help with a search that runs elsewhere, until it says that it is over:
    how many trials were run here."""
    study, count = open_study(lab, name, must_exist=True), 0
    while needed() and not study.user_attrs.get("over"):
        count += work(lab, study, objective)
        time.sleep(0.1)
    return count


def _worker(lab, name, objective):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    torch.set_num_threads(1)
    with np.errstate(all="ignore"):
        join(lab, name, objective, needed=multiprocessing.parent_process().is_alive)


@contextlib.contextmanager
def crew_of(lab, name, objective):
    """lab.workers processes of one thread each that join the search; none for 1, which works by itself."""
    context = multiprocessing.get_context("spawn")
    plain = replace(lab, _sets=(), force=False)
    count = lab.workers if lab.workers > 1 else 0
    crew = [context.Process(target=_worker, args=(plain, name, objective), daemon=True) for _ in range(count)]
    try:
        for w in crew:
            w.start()
        yield crew
    finally:
        for w in crew:
            w.terminate()
            w.join()
