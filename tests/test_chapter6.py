"""The chapter's laboratory: its outcomes at --quick size on the digits, and its command line,
page and search.

Margins are in the experiments' own `checks`, which the page shows as well: each says its numbers and the
bound.
"""

import html.parser
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad6 as torch

for extra in ("matplotlib", "tqdm", "optuna"):
    pytest.importorskip(extra)
sys.path.append(str(Path(__file__).parent.parent))

from examples.chapter6 import __main__ as cli  # noqa: E402
from examples.chapter6 import activations, batchnorm, decay, dropout, equal, images, initial  # noqa: E402
from examples.chapter6 import paths, plots, search, study, validation  # noqa: E402
from examples.chapter6.lab import Lab  # noqa: E402
from examples.chapter6.training import initialize, mlp  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    # Python 3.13 tells of SQLite connections that Optuna leaves to the collector when interrupted.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def one_thread_and_no_overflow_warnings():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with np.errstate(all="ignore"):
        yield
    torch.set_num_threads(threads)


def lab(tmp_path=None, **options):
    return Lab(quick=True, workers=1, **({"out": tmp_path} if tmp_path else {}), **options)


def outcomes(module, numbers):
    """The checks that do not hold; all of them have to be sentences with numbers."""
    checks = module.checks(numbers)
    assert all(text.endswith(".") or text.endswith(")") for text, _ in checks)
    return [text for text, ok in checks if not ok]


# ---- what the chapter says


@pytest.mark.parametrize(
    "module", [images, equal, initial, decay, dropout, validation], ids=lambda m: m.__name__
)
def test_the_outcomes_of_training(module):
    numbers = cli.plain(module.run(lab()))
    assert outcomes(module, numbers) == []


def test_the_ends_of_the_paths():
    numbers = paths.run(lab())
    assert outcomes(paths, numbers) == []
    for name, end in paths.REFERENCE.items():
        np.testing.assert_allclose(numbers["paths"][name][-1], end, rtol=0, atol=1e-12)
        assert len(numbers["paths"][name]) == 31 and numbers["paths"][name][0] == [-7, 2]


def test_activations_and_gradients():
    numbers = activations.run(lab(seed=1))
    assert outcomes(activations, numbers) == []
    for inits in numbers.values():
        for layers in inits.values():
            assert all(sum(layer["counts"]) == 100_000 for layer in layers)


def test_batch_normalization_learns_almost_everywhere():
    numbers = cli.plain(batchnorm.run(lab()))
    failed = outcomes(batchnorm, numbers)
    # the third advantage is measured, not promised: on the digits a plain network is as good at its best rate
    assert all("over-fitting" in text for text in failed)
    at = dict(zip(batchnorm.FIT_RATES, numbers["fits"]["with BatchNorm"]))
    plain = dict(zip(batchnorm.FIT_RATES, numbers["fits"]["without BatchNorm"]))
    assert at[1.0][1] > at[0.01][1] + 0.02  # the larger rate generalizes better,
    assert at[1.0][1] > plain[1.0][1] + 0.3  # and destroys the plain network


def test_a_check_that_fails_says_so():
    numbers = paths.run(lab())
    numbers["paths"]["SGD"], numbers["paths"]["AdaGrad"] = (
        numbers["paths"]["AdaGrad"],
        numbers["paths"]["SGD"],
    )
    assert len(outcomes(paths, numbers)) == 3


def test_initial_values_have_the_standard_deviations_of_the_book():
    for init, std in (("He", (2 / 400) ** 0.5), ("Xavier", 400**-0.5), (0.01, 0.01), ("zeros", 0.0)):
        model = mlp(400, 300, 10)
        initialize(model, init)
        assert model[0].weight.std().item() == pytest.approx(std, rel=0.02)
        assert not model[0].bias.any()


def test_smoothing_keeps_a_constant_and_the_length():
    np.testing.assert_allclose(plots.smooth([3.0] * 40), 3.0)
    assert len(plots.smooth(list(range(50)))) == 50
    rough = np.tile([0.0, 1.0], 30)
    assert plots.smooth(rough).std() < 0.1 * rough.std()


def test_every_style_differs_without_colour():
    names = list(paths.OPTIMIZERS)[:6]
    assert len({plots.STYLES[n]["marker"] for n in names}) == 6
    assert len({str(plots.STYLES[n]["linestyle"]) for n in names}) == 6
    assert len({plots.STYLES[n]["color"] for n in names}) == 6


# ---- the search


def quick_trial(lab, trial):
    """In place of a training: a smooth function of both hyperparameters."""
    lr = trial.suggest_float("lr", 1e-6, 1e-1, log=True)
    decay = trial.suggest_float("weight_decay", 1e-8, 1e-4, log=True)
    score = float(np.exp(-((np.log10(lr) + 2) ** 2) - 0.01 * (np.log10(decay) + 6) ** 2))
    trial.set_user_attr("curves", {"training": [0.1, score], "validation": [0.1, score]})
    return score


def test_the_search_finds_the_band_and_narrows(tmp_path):
    (tmp_path / "results").mkdir()
    numbers = search.run(lab(tmp_path, seed=1))
    assert outcomes(search, numbers) == []
    (rounds, side) = search.sizes(lab())
    assert [len(r["trials"]) for r in numbers["rounds"]] == list(rounds)
    assert len(numbers["grid"]) == side**2 == sum(rounds)
    for r in numbers["rounds"]:
        for name, (low, high) in r["box"].items():
            assert all(low - 1e-9 <= np.log10(t[name]) <= high + 1e-9 for t in r["trials"])


def test_a_killed_search_goes_on_where_it_was(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(search, "sizes", lambda lab: ((7, 5, 4), 4))
    monkeypatch.setattr(search, "objective", quick_trial)
    whole = search.run(lab(tmp_path, seed=1))

    monkeypatch.setattr(study, "HEARTBEAT", 1)
    calls = []

    def killed_at_the_ninth(lab, trial):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return quick_trial(lab, trial)

    (tmp_path / "b" / "results").mkdir(parents=True)
    monkeypatch.setattr(search, "objective", killed_at_the_ninth)
    with pytest.raises(KeyboardInterrupt):
        search.run(lab(tmp_path / "b", seed=1))
    again = search.run(lab(tmp_path / "b", seed=1))
    assert len(calls) == 32 + 1  # the eight that were done were not done again
    assert again == whole


def test_several_processes_find_what_one_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "sizes", lambda lab: ((3, 2, 2), 2))
    found = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        (out / "results").mkdir(parents=True)
        found.append(search.run(Lab(quick=True, workers=workers, out=out)))
    assert found[0] == found[1]


def test_a_study_elsewhere_can_be_joined_and_a_wrong_storage_is_one_line(tmp_path, capsys):
    common = ["search", "--quick", "--out", str(tmp_path), "--workers", "1"]
    assert cli.main([*common, "--join"]) == 2
    assert "no study" in capsys.readouterr().err
    assert cli.main([*common, "--storage", "nonsense://x"]) == 2
    error = capsys.readouterr().err
    assert (
        error.startswith("chapter6: search: Optuna cannot use the storage nonsense://x")
        and error.count("\n") == 1
    )


# ---- the command line and the page


def run(tmp_path, *words):
    return cli.main([*words, "--quick", "--out", str(tmp_path), "--workers", "1"])


class Ids(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.outside, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.outside.append(value)


def test_the_page_stands_alone(tmp_path, capsys):
    assert run(tmp_path, "paths", "activations", "validation") == 0
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = Ids()
    page.feed(text)
    assert page.outside == [] and not re.search(r"url\((?!#)|@import|fetch\(", text)
    assert len(page.ids) == len(set(page.ids))
    assert {"paths", "activations", "validation", "race"} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(page.ids)
    assert page.tags.count("svg") >= 2 + 6 + 1 + 1
    assert "python -m examples.chapter6 paths --data digits --seed 0 --quick" in text
    assert "def walk(make_optimizer)" in text and "@media print" in text and "width=device-width" in text
    numbers = json.loads((tmp_path / "results" / "paths-digits-quick-seed0.json").read_text())["numbers"]
    assert numbers["paths"]["SGD"][0] == [-7.0, 2.0]


def test_what_is_finished_is_skipped_unless_forced_or_changed(tmp_path, monkeypatch, capsys):
    calls = []
    compute = paths.run
    monkeypatch.setattr(cli.Page, "write", lambda self: None)  # drawing takes longest
    monkeypatch.setattr(paths, "run", lambda lab: calls.append(1) or compute(lab))
    for _ in range(2):
        assert run(tmp_path, "paths") == 0
    assert len(calls) == 1 and "done before" in capsys.readouterr().out
    assert run(tmp_path, "paths", "--force") == 0 and len(calls) == 2
    assert run(tmp_path, "paths", "--seed", "1") == 0 and len(calls) == 3
    monkeypatch.setattr(cli, "code_of", lambda name: 1)
    assert run(tmp_path, "paths") == 0 and len(calls) == 4


def test_an_interrupt_keeps_what_is_done(tmp_path, monkeypatch, capsys):
    def interrupted(lab):
        raise KeyboardInterrupt

    monkeypatch.setattr(validation, "run", interrupted)
    assert run(tmp_path, "paths", "validation") == 130
    assert "goes on from there" in capsys.readouterr().out
    assert (tmp_path / "results" / "paths-digits-quick-seed0.json").exists()
    assert 'id="paths"' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_list_names_every_experiment(capsys):
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(cli.NAMES) and len(lines) == 10


def without_optuna(monkeypatch, tmp_path):
    find = cli.importlib.util.find_spec
    monkeypatch.setattr(
        cli.importlib.util, "find_spec", lambda name: None if name == "optuna" else find(name)
    )
    return ["search"], "optuna missing: pip install 'tinygrad6[search]'"


def unwritable(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    return ["paths", "--out", str(tmp_path / "file" / "out")], "cannot write there"


def corrupt(monkeypatch, tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"PK\3\4 and no more")
    return ["paths", "--data", "mnist", "--mnist", str(tmp_path)], "damaged or truncated"


MISTAKES = {
    "unknown": lambda *_: (["nothing"], "unknown experiment nothing; there are: paths, images,"),
    "extra": without_optuna,
    "folder": unwritable,
    "no mnist": lambda _, tmp: (["paths", "--data", "mnist", "--mnist", str(tmp / "no")], "MNIST is not in"),
    "bad mnist": corrupt,
}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A folder with results."""
    out = tmp_path_factory.mktemp("earlier")
    assert run(out, "paths") == 0
    return out


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_one_line_and_status_2_and_leaves_results_alone(
    mistake, earlier, tmp_path, monkeypatch, capsys
):
    out = earlier
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    capsys.readouterr()
    words, message = mistake(monkeypatch, tmp_path)
    assert run(out, *words) == 2 if "--out" not in words else cli.main(words) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("chapter6: ") and error.count("\n") == 1
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_json_has_no_nan():
    assert cli.plain({"a": [float("nan"), 1.0, float("inf")], "b": (1,)}) == {
        "a": [None, 1.0, None],
        "b": [1],
    }
