"""The command line: run experiments, keep their numbers as JSON, write the page.

    python -m examples.chapter6 NAME... | all | list
        [--data digits|mnist] [--mnist PATH] [--seed N] [--out DIR] [--quick] [--force]
        [--workers N] [--storage URL] [--join]

DIR/results/NAME-SETTING.json holds the numbers of an experiment, DIR/index.html shows all that is there for
the setting (data, --quick, seed) of the last command. What is finished is not computed again, unless its code
has changed since (then the page leaves it out as well) or --force is given; Ctrl-C loses only the experiment
that is running, and of the search only the trials that are running. Exit status: 0, 2 for a mistake that the
user can mend (one line says which), 130 after Ctrl-C.
"""

import argparse
import contextlib
import importlib
import importlib.util
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import tinygrad6 as torch

from .lab import Lab, LabError, code_of

NAMES = (
    "paths", "images", "equal", "activations", "initial", "batchnorm", "decay", "dropout", "validation",
    "search",
)  # fmt: skip
EXTRAS = {"matplotlib": "examples", "tqdm": "examples", "optuna": "search"}


def module(name):
    return importlib.import_module(f"{__package__}.{name}")


def check_extras(names):
    """LabError that names every package which the experiments need and is not there."""
    needed = [p for p, extra in EXTRAS.items() if extra == "examples" or "search" in names]
    missing = [p for p in needed if importlib.util.find_spec(p) is None]
    if missing:
        extras = ",".join(dict.fromkeys(EXTRAS[p] for p in missing))
        raise LabError(f"{' and '.join(missing)} missing: pip install 'tinygrad6[{extras}]'")


def check_folder(out):
    """Make the output folder; LabError if nothing can be written there."""
    try:
        (out / "results").mkdir(parents=True, exist_ok=True)
        for folder in (out, out / "results"):
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as e:
        raise LabError(f"--out {out}: cannot write there ({e.strerror})") from None


def write(path, text):
    """All of it or nothing."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def plain(value):
    """For JSON, which knows no nan or infinity: None instead."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def result_file(lab, name):
    return lab.out / "results" / f"{name}-{lab.key}.json"


def read_result(lab, name):
    """The saved result; None if there is none that can be read, or the code has changed since."""
    try:
        result = json.loads(result_file(lab, name).read_text(encoding="utf-8"))
        return result if result["code"] == code_of(name) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def command(lab, name):
    words = ["python -m examples.chapter6", name, f"--data {lab.data}", f"--seed {lab.seed}"]
    return " ".join(words + ["--quick"] * lab.quick)


def run(lab, name):
    """Compute one experiment and save it, unless that was done before."""
    old = read_result(lab, name)
    if old and not lab.force:
        print(f"{name:12} done before, in {old['seconds']:.1f} s")
        return
    start = time.perf_counter()
    with np.errstate(all="ignore"):  # that some networks overflow is the point
        numbers = plain(module(name).run(lab))
    seconds = time.perf_counter() - start
    result = {
        "experiment": name, "data": lab.data, "seed": lab.seed, "quick": lab.quick, "code": code_of(name),
        "command": command(lab, name), "seconds": round(seconds, 2), "numbers": numbers,
    }  # fmt: skip
    write(result_file(lab, name), json.dumps(result))
    good = [ok for _, ok in module(name).checks(numbers)]
    print(f"{name:12} {seconds:6.1f} s, {sum(good)} of {len(good)} of the chapter's outcomes seen")


class Page:
    """index.html, written anew after each experiment; the parts that have not changed are kept."""

    def __init__(self, lab):
        self.lab, self.parts = lab, {}

    def results(self):
        found = [(name, read_result(self.lab, name)) for name in NAMES]
        return [(name, module(name), r) for name, r in found if r]

    def write(self):
        import matplotlib

        from . import page, plots

        with matplotlib.rc_context(plots.RC):
            for name, m, result in self.results():
                stamp = result["seconds"], result["code"]
                if self.parts.get(name, (None,))[0] != stamp:
                    self.parts[name] = (stamp, m, page.section(name, m, result, plots.svg))
        data = {"digits": "Data: the digits that come with the package.", "mnist": "Data: MNIST."}[
            self.lab.data
        ]
        what = (
            f"{data} Seed "
            f"{self.lab.seed}.{' Quick: small sizes, for a first look.' if self.lab.quick else ''}"
        )
        sections = [(name, *self.parts[name][1:]) for name in NAMES if name in self.parts]
        path = self.lab.out / "index.html"
        write(path, page.page(sections, what))
        return path


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="python -m examples.chapter6",
        description="The experiments of the chapter on training techniques.",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="experiments, or all, or list")
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits")
    parser.add_argument(
        "--mnist", metavar="PATH", help="where MNIST is: the folder of its four files, or an .npz file"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/chapter6"), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="small sizes: under a minute for all")
    parser.add_argument("--force", action="store_true", help="compute again what is done")
    parser.add_argument(
        "--workers", type=int, default=min(os.cpu_count() or 1, 4), help="processes of the search"
    )
    parser.add_argument(
        "--storage", metavar="URL", help="Optuna storage of the search (default: SQLite in DIR)"
    )
    parser.add_argument(
        "--join", action="store_true", help="help with a search started elsewhere, at --storage"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables of numbers there as well"
    )
    args = parser.parse_args(argv)
    if args.workers < 1:
        parser.error(f"--workers must be at least 1, got {args.workers}")
    if not 0 <= args.seed < 2**31:
        parser.error(f"--seed must be between 0 and 2147483647, got {args.seed}")
    return args


def chosen(names):
    """The experiments meant, in the order of the chapter."""
    unknown = [n for n in names if n not in (*NAMES, "all")]
    if unknown:
        raise LabError(f"unknown experiment {', '.join(unknown)}; there are: {', '.join(NAMES)}, all")
    return [n for n in NAMES if n in names or "all" in names]


def main(argv=None):
    args = parse(argv)
    torch.set_num_threads(1)  # such small matrices gain nothing from two, and the search has processes
    try:
        if args.names == ["list"]:
            check_extras([])
            for name in NAMES:
                print(f"{name:12} {module(name).SECTION:14} {module(name).TITLE}")
            return 0
        names = chosen(args.names)
        check_extras(names)
        lab = Lab(
            args.data, args.seed, args.quick, args.out, args.mnist, args.workers, args.storage, args.force
        )
        lab.load()  # before anything is written
        check_folder(lab.out)
        if args.join:
            print(f"took part with {module('search').join(lab)} trials")
            return 0
        page = Page(lab)
        try:
            for name in names:
                run(lab, name)
                path = page.write()
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                page.write()
            print(
                f"\nstopped; what is finished is kept in {lab.out}, and the same command goes on from there"
            )
            return 130
        if args.markdown:
            from .page import markdown

            write(
                args.markdown,
                markdown(page.results(), f"{command(lab, ' '.join(args.names))} --markdown {args.markdown}"),
            )
        print(f"wrote {path}")
        return 0
    except LabError as e:
        print(f"chapter6: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
