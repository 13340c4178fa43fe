"""Networks on a graph from index_add_, scatter_add_ and scatter_reduce_ alone, its matrices, and places for its nodes."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn import Linear, Parameter

torch.manual_seed(12345)

# Thirty villages: roads to some others, both ways and each once; a village's kind is its district.
VILLAGES, KINDS = 30, 3
roads = torch.randint(0, VILLAGES, (2, 90))
roads = roads[:, roads[0] != roads[1]]
roads = torch.unique(torch.cat([roads, roads.flip(0)], 1), dim=1)
kind = torch.arange(VILLAGES) // 10
told = torch.zeros(VILLAGES, dtype=torch.bool)
told[torch.randperm(VILLAGES)[:11]] = True
print(roads.shape, roads[:, -5:], "told:", told.nonzero(as_tuple=True)[0], f"{told.float().mean():.2f}")


def gather(values, to, rooms, how="sum"):
    """(E, ...) values put together by their room 0..rooms-1: their sum, mean, largest or smallest; 0 if none came."""
    found = values.new_zeros([rooms, *values.shape[1:]])
    index = to.view([-1] + [1] * (values.dim() - 1)).expand_as(values)
    if how in ("max", "min"):
        return found.scatter_reduce_(0, index, values, reduce=f"a{how}", include_self=False)
    found.scatter_add_(0, index, values)
    if how == "mean":
        came = values.new_zeros(rooms).scatter_add_(0, to, values.new_ones(values.size(0))).clamp_(min=1)
        found = found / came.view(-1, *[1] * (values.dim() - 1))
    return found


def share(scores, to, rooms):
    """softmax of the scores of all roads that end in one room."""
    highest = gather(scores.detach(), to, rooms, "max")
    grown = (scores - highest.index_select(0, to)).exp()
    return grown / gather(grown, to, rooms).index_select(0, to).add(1e-12)


class Spread(nn.Module):
    """W x over each road and to oneself, divided by the roots of both ends' numbers of roads (Kipf and Welling, 2017)."""

    def __init__(self, given, made):
        super().__init__()
        self.map = Linear(given, made, bias=False)
        self.shift = Parameter(torch.empty(made))
        self.map.reset_parameters()
        self.shift.data.zero_()

    def forward(self, x, roads):
        home = torch.arange(0, x.size(0), dtype=torch.long, device=roads.device).unsqueeze(0).repeat(2, 1)
        start, end = torch.cat([roads, home], dim=1)
        busy = torch.zeros((x.size(0),), dtype=x.dtype).scatter_add_(0, end, torch.ones((end.size(0),)))
        even = busy.pow(-0.5)
        even[even == float("inf")] = 0
        carried = self.map(x)[start] * (even[start] * even[end]).view(-1, 1)
        return torch.zeros(x.size(0), carried.size(1)).index_add_(0, end, carried) + self.shift


class Attend(nn.Module):
    """Each village weighs what its neighbours say, in several voices (Velickovic et al., 2018)."""

    def __init__(self, given, made, voices=3):
        super().__init__()
        self.shape = (-1, voices, made)
        self.map = Linear(given, voices * made, bias=False)
        self.speaker, self.hearer = (Parameter(torch.empty(1, voices, made)) for _ in range(2))
        nn.init.xavier_uniform_(self.map.weight, gain=nn.init.calculate_gain("leaky_relu", 0.1))
        for weights in (self.speaker, self.hearer):
            nn.init.xavier_normal_(weights)

    def forward(self, x, roads):
        said = self.map(x).view(self.shape)
        start, end = roads
        worth = torch.sum(said * self.speaker, -1)[start] + torch.sum(said * self.hearer, -1)[end]
        worth = share(F.leaky_relu(worth, 0.1), end, x.size(0))
        worth = F.dropout(worth, p=0.2, training=self.training)
        return gather(said[start] * worth.unsqueeze(-1), end, x.size(0)).flatten(1)


class Sum(nn.Module):
    """One map of oneself, one of what the neighbours give together; of length one (Hamilton et al., 2017)."""

    def __init__(self, given, made, how):
        super().__init__()
        self.theirs, self.own, self.how = Linear(given, made), Linear(given, made, bias=False), how

    def forward(self, x, roads):
        came = gather(x[roads[0]], roads[1], x.size(0), self.how)
        return F.normalize(self.own(x) + self.theirs(came), p=2.0, dim=-1)


class Districts(nn.Module):
    def __init__(self):
        super().__init__()
        self.hear = nn.ModuleList([Spread(VILLAGES, 9), Attend(9, 3), Sum(9, 7, "mean"), Sum(7, 7, "max")])
        self.bend = [torch.tanh, F.elu, torch.relu, nn.Identity()]
        self.name = Linear(7, KINDS)

    def forward(self, x, roads):
        for hear, bend in zip(self.hear, self.bend):
            x = bend(hear(x, roads))
        return F.log_softmax(self.name(x), dim=1), x


net = Districts()
print(net)
first, others = (
    net.hear[0].parameters(),
    [w for name, w in net.named_parameters() if not name.startswith("hear.0")],
)
descent = torch.optim.Adam(
    [dict(params=first, weight_decay=1e-3), dict(params=others, weight_decay=0)], lr=0.03
)
themselves = torch.eye(VILLAGES)
for lap in range(1, 13):
    net.train()
    descent.zero_grad()
    names, felt = net(themselves, roads)
    wrong = F.nll_loss(names[told], kind[told])
    wrong.backward()
    descent.step()
    if lap % 3 == 0:
        net.eval()
        guess = net(themselves, roads)[0].max(1)[1]
        right = [guess[some].eq(kind[some]).sum().item() / some.sum().item() for some in (told, ~told)]
        print(
            "lap {:2d}: wrong by {:.4f}, right {:.4f} of the told, {:.4f} of the others".format(
                lap, wrong, *right
            )
        )

# The same roads as matrices.
met = torch.zeros(VILLAGES, VILLAGES).index_put_((roads[0], roads[1]), torch.tensor(1.0))
print(met.sum(), (met @ met).diagonal()[:7], met.count_nonzero(dim=0)[-7:], torch.linalg.matrix_rank(met))
flow = torch.diag(met.sum(1)) - met
print("flow", flow[0, :8], flow.sum(0).abs().max())
felt = felt.detach()
for how in ("sum", "mean", "max", "min"):
    print(how, gather(felt, kind, KINDS, how)[:, :3])
print(
    "again",
    torch.zeros(KINDS, 7).index_reduce_(0, kind, felt, "amax", include_self=False)[:, :3],
    torch.bincount(kind),
)

# A place for each village, so that a road is likelier between near ones; then the nearest two of each.
place = nn.Parameter(0.2 * torch.randn(VILLAGES, 3))
descent = torch.optim.Adagrad([place], lr=0.15)
nowhere = torch.randint(0, VILLAGES, roads.shape)
truth = torch.cat([torch.ones(roads.size(1)), torch.zeros(nowhere.size(1))])
for lap in range(5):
    ends = torch.cat([roads, nowhere], dim=1)
    wrong = F.binary_cross_entropy_with_logits(
        (place[ends[0]] * place[ends[1]]).sum(-1), truth, pos_weight=torch.tensor(1.5)
    )
    descent.zero_grad()
    wrong.backward()
    descent.step()
    print("places", wrong)
far, whom = torch.cdist(place, place).fill_diagonal_(float("inf")).topk(2, largest=False)
print(far[4:7], whom[4:7])
