"""Running trials through Optuna: any storage, several processes, and going on after a kill.

The points of a round are drawn first and put into the study as waiting trials, each with its round and its place. Workers
take waiting trials until none is left; the storage hands each out once, to processes and machines alike. What a killed
worker left half done is noticed by its missing heartbeat, and its place is put into the study again.
"""

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
    return {
        t.user_attrs["place"]: t
        for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if t.user_attrs.get("round") == label
    }


def _alive(study, label):
    states = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)
    trials = study.get_trials(deepcopy=False, states=states)
    return {t.user_attrs["place"] for t in trials if t.user_attrs.get("round") == label}


def run_points(lab, study, label, points, objective, bar):
    """Evaluate every point once, by lab.workers processes; returns the trials in the order of the points."""
    while len(finished(study, label)) < len(points):
        optuna.storages.fail_stale_trials(study)
        alive = _alive(study, label)
        for place, point in enumerate(points):
            if place not in alive:
                study.enqueue_trial(point, user_attrs={"round": label, "place": place})
        if lab.workers == 1:
            work(lab, study, objective, lambda: _show(bar, study, label))
        else:
            _run_workers(lab, study, objective, lambda: _show(bar, study, label))
        if len(finished(study, label)) < len(points):
            time.sleep(1)  # another machine is still at it, or died: then its heartbeat stops
    done = finished(study, label)
    return [done[place] for place in range(len(points))]


def _show(bar, study, label):
    bar.n = len(finished(study, label))
    bar.refresh()


def _waiting(study):
    return bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def work(lab, study, objective, after=lambda: None):
    """Take waiting trials until there are none."""

    def one(trial):
        if (
            "place" not in trial.user_attrs
        ):  # somebody else took the last one that waited, and Optuna made this up
            raise optuna.TrialPruned
        return objective(lab, trial)

    while _waiting(study):
        study.optimize(one, n_trials=1)
        after()


def _worker(lab, name, objective):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    work(lab, open_study(lab, name), objective)


def _worker(lab, name, objective):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    torch.set_num_threads(1)
    with np.errstate(all="ignore"):
        work(lab, open_study(lab, name), objective)


def _run_workers(lab, study, objective, show):
    """lab.workers processes of one thread each, until they have ended."""
    context = multiprocessing.get_context("spawn")
    plain = replace(lab, _sets=(), force=False)
    arguments = (plain, study.study_name, objective)
    workers = [context.Process(target=_worker, args=arguments, daemon=True) for _ in range(lab.workers)]
    try:
        for w in workers:
            w.start()
        while any(w.is_alive() for w in workers):
            time.sleep(0.3)
            show()
        if any(w.exitcode for w in workers):
            raise LabError(
                "search: a worker failed, its error is above; what is done is kept for the next run"
            )
    finally:
        for w in workers:
            w.terminate()
            w.join()


def join(lab, name, objective):
    """Help with a search that runs elsewhere, until it says that it is over."""
    study = open_study(lab, name, must_exist=True)
    done = 0

    def count():
        nonlocal done
        done += 1

    while not study.user_attrs.get("over"):
        work(lab, study, objective, count)
        time.sleep(1)
    return done
