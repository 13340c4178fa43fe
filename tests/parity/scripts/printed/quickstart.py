"""A first program: a data set, a classifier kept in a file, then tensors and gradients one by one."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(42)


class Stripes(Dataset):
    """Noisy pictures of six by ten pixels, each with one bright band; the class says where."""

    names = ["left", "inner left", "middle", "inner right", "right"]

    def __init__(self, count, seed, on_image=None, on_label=None):
        draw = np.random.default_rng(seed)
        self.label = torch.tensor(draw.integers(0, len(self.names), count))
        self.image = torch.from_numpy(draw.integers(0, 200, (count, 6, 10)).astype(np.uint8))
        for picture, where in zip(self.image, self.label):
            picture[:, 2 * where : 2 * where + 2] = 250
        self.on_image, self.on_label = on_image, on_label

    def __len__(self):
        return self.label.size(0)

    def __getitem__(self, i):
        image, label = self.image[i].numpy(), self.label[i].item()
        return (
            self.on_image(image) if self.on_image else image,
            self.on_label(label) if self.on_label else label,
        )


def scaled(pixels):
    return torch.from_numpy(pixels).unsqueeze(0).float().div(250)


def one_hot(label):
    return torch.zeros(5, dtype=torch.float).scatter_(0, torch.tensor(label), value=1)


coded = Stripes(3, 5, on_label=one_hot)
print("one hot:", coded[0][1], coded[2][0].shape, coded[2][0].dtype)
known = DataLoader(Stripes(200, 0, scaled), batch_size=40, shuffle=True)
unseen = DataLoader(Stripes(70, 1, scaled), batch_size=40)
images, labels = next(iter(unseen))
print("a batch:", images.shape, labels.shape, labels.dtype, "of", len(unseen), "from", len(unseen.dataset))
place = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
print("runs on", place)


class BandFinder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.unroll = nn.Flatten()
        self.layers = nn.Sequential(nn.Linear(60, hidden), nn.ReLU(), nn.Linear(hidden, 5))

    def forward(self, image):
        return self.layers(self.unroll(image))


finder = BandFinder(24).to(place)
print(finder)
for name, weight in finder.named_parameters():
    print(f"{name:>16} has {weight.numel():4d} numbers in {weight.size()} and begins with {weight[:2]}")
measure = nn.CrossEntropyLoss()
descent = torch.optim.SGD(finder.parameters(), lr=0.2)
print(descent)


def learn():
    finder.train()
    seen = 0
    for image, label in known:
        wrong = measure(finder(image.to(place)), label.to(place))
        wrong.backward()
        descent.step()
        descent.zero_grad()
        seen += len(image)
        print(f"  after {seen:>3d} of {len(known.dataset)} pictures {wrong.item():>9f}")


def examine():
    finder.eval()
    total = right = 0.0
    with torch.no_grad():
        for image, label in unseen:
            guess = finder(image.to(place)).cpu()
            total += measure(guess, label).item() * len(label)
            right += (guess.argmax(1) == label).type(torch.float).sum().item()
    n = len(unseen.dataset)
    print(f"on the {n} unseen ones {total / n:>9f}, {right / n:>6.1%} right")


for lap in range(4):
    print("lap", lap)
    learn()
    examine()
torch.save(finder.state_dict(), "finder.pth")
again = BandFinder(24).to(place)
print(again.load_state_dict(torch.load("finder.pth", weights_only=True)))
again.eval()
image, label = unseen.dataset[9]
with torch.no_grad():
    guess = again(image.to(place))
    chances = nn.Softmax(dim=1)(guess)
print("says", Stripes.names[guess[0].argmax(0)], "for", Stripes.names[label], chances, chances.argmax(1))

# How tensors are made, cut, joined and multiplied.
rows = np.array([[3, 1, 4], [1, 5, 9]])
counts, shared = torch.tensor(rows.tolist()), torch.from_numpy(rows)
print("same numbers:", torch.equal(counts, shared), torch.ones_like(counts), counts.dtype)
print("noise of the same shape:", torch.rand_like(counts, dtype=torch.float))
noise = torch.rand(2, 5)
print("what noise is:", noise.shape, noise.dtype, noise.device)
board = torch.ones(3, 5)
board[1] = 2
board[:, 3] = 0
print("board", board, "corner row", board[0], "first", board[:, 0], "last", board[..., -1], sep="\n")
print("beside itself:", torch.cat([board, -board], dim=1))
gram, into = board @ board.T, torch.rand_like(board[:, :3])
squares = torch.rand_like(board)
torch.matmul(board, board.T, out=into)
torch.mul(board, board, out=squares)
print("three ways to one product:", torch.equal(gram, into), torch.equal(gram, board.matmul(board.T)), gram)
print("squares", squares, type(squares.sum().item()), squares.sum().item())
board.add_(0.5)
print("raised in place:", board)
# Memory shared with NumPy: a change on either side shows on the other.
mine = torch.ones(4)
view = mine.numpy()
mine.add_(2)
print("seen from NumPy:", view, "and here:", mine)
theirs = np.ones(4)
alias = torch.from_numpy(theirs)
np.add(theirs, 0.25, out=theirs)
print("seen from here:", alias)
# Gradients: one layer, then a Jacobian's product asked for again and again.
voltage, lit = torch.tensor([0.5, -1.0, 2.0, 0.25]), torch.tensor([1.0, 0.0])
w, b = torch.randn(4, 2, requires_grad=True), torch.randn(2, requires_grad=True)
z = torch.matmul(voltage, w) + b
torch.nn.functional.binary_cross_entropy_with_logits(z, lit).backward()
print("by weight", w.grad, "by bias", b.grad, "tracked", z.requires_grad, z.detach().requires_grad)
grid = torch.eye(3, 4, requires_grad=True)
bowl = (grid - 2).pow(2).t()
for ask in ("first", "added to", "from zero"):
    if ask == "from zero":
        grid.grad.zero_()
    bowl.backward(torch.ones_like(bowl), retain_graph=True)
    print(ask, grid.grad)
print(bowl)
