"""Running trials through Optuna: any storage, several processes, and going on after a kill.

The points of a round are drawn first and put into the study as waiting trials, each with its round and its place. Workers
take waiting trials until none is left; the storage hands each out once, to processes and machines alike. What a killed
worker left half done is noticed by its missing heartbeat, and its place is put into the study again.
"""

import contextlib
import multiprocessing
import signal
import time
import warnings
from dataclasses import replace

import numpy as np
import optuna
from optuna.trial import TrialState
from sqlalchemy import event

import tinygrad6 as torch

from .lab import LabError

HEARTBEAT = 4  # seconds; a trial without one for twice as long is taken for dead

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # heartbeats are that


def open_study(lab, name, must_exist=False):
    """The study of this name in the lab's storage: an SQLite file beside the results unless an URL was given."""
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
            return optuna.load_study(study_name=name, storage=storage)
        return optuna.create_study(
            study_name=name, storage=storage, direction="maximize", load_if_exists=True
        )
    except KeyError:
        raise LabError(
            f"search: there is no study {name} in {url} to join; start the search without --join first"
        ) from None
    except Exception as e:  # each database has its own errors
        raise LabError(f"search: Optuna cannot use the storage {url}: {str(e).splitlines()[0]}") from None


def _whole_transactions(engine):
    """Let SQLite lock where a transaction begins, or two workers may both read that a trial waits, and both take it.

    Python's sqlite3 begins a transaction at the first write only, and SQLite does not know SELECT ... FOR UPDATE.
    """

    @event.listens_for(engine, "connect")
    def connect(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections made before


def forget(lab, name):
    study = open_study(lab, name)
    optuna.delete_study(study_name=name, storage=study._storage)


def finished(study, label):
    """place -> completed trial, of one round."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return {t.user_attrs["place"]: t for t in done if t.user_attrs.get("round") == label}


def enqueue_missing(study, label, points):
    """Put every point into the study that is neither done nor waiting nor running."""
    optuna.storages.fail_stale_trials(study)
    states = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)
    trials = study.get_trials(deepcopy=False, states=states)
    there = {t.user_attrs.get("place") for t in trials if t.user_attrs.get("round") == label}
    for place, point in enumerate(points):
        if place not in there:
            study.enqueue_trial(point, user_attrs={"round": label, "place": place})


def run_points(lab, study, label, points, objective, crew, bar):
    """Let the crew evaluate every point once; the trials in the order of the points."""
    while True:
        enqueue_missing(study, label, points)
        until = time.monotonic() + HEARTBEAT
        while time.monotonic() < until:
            if not crew:
                work(lab, study, objective, lambda: _show(bar, len(finished(study, label))))
            done = finished(study, label)
            _show(bar, len(done))
            if len(done) == len(points):
                return [done[place] for place in range(len(points))]
            if any(w.exitcode is not None for w in crew):
                raise LabError(
                    "search: a worker ended, its error is above; what is done is kept for the next run"
                )
            time.sleep(0.2)


def _show(bar, n):
    bar.n = n
    bar.refresh()


def work(lab, study, objective, after=lambda: None):
    """Take waiting trials until there are none."""

    def one(trial):
        if (
            "place" not in trial.user_attrs
        ):  # somebody else took the last one that waited, and Optuna made this up
            raise optuna.TrialPruned
        return objective(lab, trial)

    while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.optimize(one, n_trials=1)
        after()


def join(lab, name, objective, after=lambda: None, needed=lambda: True):
    """Help with a search that runs elsewhere, until it says that it is over."""
    study = open_study(lab, name, must_exist=True)
    while needed() and not study.user_attrs.get("over"):
        work(lab, study, objective, after)
        time.sleep(0.2)


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
