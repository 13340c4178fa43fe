"""Learn handwritten digits: an MLP with batch normalization and dropout, trained by Adam (`make demo`).

    python -m examples.digits [--epochs 30] [--seed 0] [--out out] [--resume]

The data are the 1797 scanned digits that come with the package. After each epoch the state of the whole
training is saved; the epoch with the best validation accuracy is kept beside it, and is what is tested at
the end. Ctrl-C stops in good order; --resume goes on from the last whole epoch as if nothing had
happened.
"""

import argparse
import sys
import time
from pathlib import Path

import tinygrad6 as torch
import tinygrad6.nn.functional as F
from tinygrad6 import nn, optim
from tinygrad6.datasets import digits
from tinygrad6.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    def __init__(self, hidden=256):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, 10),
        )

    def forward(self, x):
        return self.layers(x)


def train_epoch(model, batches, optimizer):
    """One pass over the training set: mean loss, accuracy."""
    model.train()
    loss_sum = correct = seen = 0
    for x, y in batches:
        optimizer.zero_grad()
        out = model(x)
        loss = F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(y)
        correct += (out.argmax(1) == y).sum().item()
        seen += len(y)
    return loss_sum / seen, correct / seen


@torch.no_grad()
def predict(model, dataset):
    """Images, labels and predictions of a whole dataset."""
    model.eval()
    x, y = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    return x, y, model(x).argmax(1)


def accuracy(model, dataset):
    _, y, guess = predict(model, dataset)
    return (guess == y).float().mean().item()


def confusion_matrix(labels, guesses, classes=10):
    """counts[i, j]: how many of class i were taken for class j."""
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    counts.index_put_((labels, guesses), torch.ones_like(labels), accumulate=True)
    return counts


def progress(loader, text):
    """The loader with a bar, where tqdm is installed and somebody is looking."""
    try:
        from tqdm import tqdm
    except ImportError:
        return loader
    return tqdm(loader, text, leave=False, disable=not sys.stderr.isatty())


def draw(path, history, counts, images, labels, guesses):
    """Learning curves, confusion matrix, and the mistakes as images; False without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(13, 4.6), layout="constrained")
    curves, matrix, mistakes = figure.subfigures(1, 3, width_ratios=[1.15, 1, 0.95])

    upper, lower = curves.subplots(2, 1, sharex=True)
    epochs = range(1, len(history) + 1)
    upper.plot(epochs, [h["loss"] for h in history], color="tab:gray")
    upper.set(ylabel="training loss", yscale="log", title="Learning curves")
    training = [100 * h["train"] for h in history]
    validation = [100 * h["validation"] for h in history]
    lower.plot(epochs, training, label="training (with dropout)", color="tab:orange")
    lower.plot(epochs, validation, label="validation", color="tab:blue")
    lower.set(xlabel="epoch", ylabel="accuracy, %", ylim=(85, 100.5))
    lower.xaxis.get_major_locator().set_params(integer=True)
    lower.legend(loc="lower right", fontsize=8)
    for axis in (upper, lower):
        axis.grid(alpha=0.3)

    axis = matrix.subplots()
    axis.imshow(counts.numpy() ** 0.5, cmap="Blues")
    half = counts.max().item() / 2
    for i, row in enumerate(counts.tolist()):
        for j, n in enumerate(row):
            if n:
                color = "white" if n > half else "black"
                axis.text(j, i, n, ha="center", va="center", fontsize=8, color=color)
    axis.set(title="Confusion matrix (test)", xlabel="taken for", ylabel="digit")
    axis.set(xticks=range(10), yticks=range(10))

    wrong = (guesses != labels).nonzero().flatten().tolist()
    shown = "" if len(wrong) <= 16 else " (16 shown)"
    mistakes.suptitle(f"{len(wrong)} mistakes among {len(labels)} test images{shown}", fontsize=12)
    for axis, i in zip(mistakes.subplots(4, 4).flat, wrong + [None] * 16):
        axis.axis("off")
        if i is not None:
            axis.imshow(images[i].reshape(8, 8).numpy(), cmap="gray_r")
            axis.set_title(f"{labels[i].item()} as {guesses[i].item()}", fontsize=8)
    figure.savefig(path, dpi=110)
    return True


def report(model, test, history, picture):
    """Test accuracy and confusion matrix in print, and the picture."""
    x, y, guesses = predict(model, test)
    counts = confusion_matrix(y, guesses)
    print(f"\ntest accuracy of the best epoch: {(guesses == y).float().mean().item():.2%}\n")
    print("confusion matrix (rows: digit, columns: taken for)")
    print("     " + "".join(f"{j:4d}" for j in range(10)))
    for i, row in enumerate(counts.tolist()):
        print(f"{i:5d}" + "".join(f"{n:4d}" if n else "   ." for n in row))
    if draw(picture, history, counts, x, y, guesses):
        print(f"\nwrote {picture}")
    else:
        print("\nno picture: it needs matplotlib, pip install 'tinygrad6[examples]'")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for checkpoints and picture")
    parser.add_argument("--resume", action="store_true", help="go on from the last whole epoch")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    best_file, last_file = args.out / "digits-best.pt", args.out / "digits-last.pt"
    settings = {k: getattr(args, k) for k in ("epochs", "batch_size", "lr", "seed")}

    torch.manual_seed(args.seed)
    images, labels = digits()
    train, validation, test = random_split(TensorDataset(images, labels), [0.7, 0.15, 0.15])
    loader = DataLoader(train, batch_size=args.batch_size, shuffle=True, drop_last=True)
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=args.lr, weight_decay=1e-4)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    history = []

    if args.resume and last_file.exists():
        state = torch.load(last_file)
        if state["settings"] != settings:
            parser.error(f"--resume: {last_file} was made with {state['settings']}, not {settings}")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["random"])
        history = state["history"]
        print(f"resumed after epoch {len(history)}")

    print(f"{len(train)} training, {len(validation)} validation, {len(test)} test images; ", end="")
    print(f"{sum(p.numel() for p in model.parameters())} parameters\n")
    print("epoch    loss  training  validation  seconds")
    try:
        for epoch in range(len(history) + 1, args.epochs + 1):
            start = time.perf_counter()
            batches = progress(loader, f"epoch {epoch}/{args.epochs}")
            loss, train_accuracy = train_epoch(model, batches, optimizer)
            scheduler.step()
            row = {"loss": loss, "train": train_accuracy, "validation": accuracy(model, validation)}
            best = row["validation"] > max((h["validation"] for h in history), default=-1.0)
            seconds = time.perf_counter() - start
            print(f"{epoch:5d}  {loss:6.4f}  {train_accuracy:7.2%}  {row['validation']:9.2%}", end="")
            print(f"  {seconds:8.2f}{'  best' if best else ''}", flush=True)
            if best:
                torch.save(model.state_dict(), best_file)
            state = {
                "settings": settings,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "random": torch.get_rng_state(),
                "history": [*history, row],
            }
            torch.save(state, last_file)
            history.append(row)
        model.load_state_dict(torch.load(best_file))
        report(model, test, history, args.out / "digits.png")
    except KeyboardInterrupt:
        if last_file.exists() and history:
            print(f"\nstopped after {len(history)} whole epochs; ", end="")
            print("the same command with --resume goes on from there")
        else:
            print("\nstopped before the first epoch was done; nothing was saved")
        return 130
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)  # matrices of this size gain nothing from more, and lose on a busy machine
    sys.exit(main())
