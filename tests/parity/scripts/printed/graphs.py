"""Graph networks written with index_add and scatter_reduce: GCN, GAT and GraphSAGE."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn import Linear, Parameter

torch.manual_seed(12345)
n = 34
edges = torch.randint(0, n, (2, 120))
edges = edges[:, edges[0] != edges[1]]
edge_index = torch.unique(torch.cat([edges, edges.flip(0)], 1), dim=1)
print(edge_index.shape, edge_index[:, :6])
x = torch.eye(n)
y = torch.arange(n) % 4
train_mask = torch.zeros(n, dtype=torch.bool)
train_mask[torch.randperm(n)[:12]] = True
print(f"Training node label rate: {int(train_mask.sum()) / n:.2f}", train_mask.nonzero(as_tuple=True)[0])


def add_self_loops(ei, num_nodes):
    loop = torch.arange(0, num_nodes, dtype=torch.long, device=ei.device).unsqueeze(0).repeat(2, 1)
    return torch.cat([ei, loop], dim=1)


def degree(index, num_nodes, dtype=None):
    out = torch.zeros((num_nodes,), dtype=dtype, device=index.device)
    one = torch.ones((index.size(0),), dtype=out.dtype)
    return out.scatter_add_(0, index, one)


def scatter(src, index, dim, dim_size, reduce="sum"):
    size = list(src.size())
    size[dim] = dim_size
    idx = index.view([-1 if d == dim else 1 for d in range(src.dim())]).expand_as(src)
    if reduce == "sum":
        return src.new_zeros(size).scatter_add_(dim, idx, src)
    if reduce == "mean":
        c = src.new_zeros(dim_size).scatter_add_(0, index, src.new_ones(src.size(dim))).clamp_(min=1)
        return src.new_zeros(size).scatter_add_(dim, idx, src) / c.view(-1, *[1] * (src.dim() - 1))
    return src.new_zeros(size).scatter_reduce_(dim, idx, src, reduce="a" + reduce, include_self=False)


def softmax(src, index, num_nodes):
    m = scatter(src.detach(), index, 0, num_nodes, "max")
    out = (src - m.index_select(0, index)).exp()
    s = scatter(out, index, 0, num_nodes) + 1e-16
    return out / s.index_select(0, index)


class GCNConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.lin = Linear(i, o, bias=False)
        self.bias = Parameter(torch.empty(o))
        self.reset_parameters()

    def reset_parameters(self):
        self.lin.reset_parameters()
        self.bias.data.zero_()

    def forward(self, x, ei):
        ei = add_self_loops(ei, x.size(0))
        x = self.lin(x)
        row, col = ei
        deg = degree(col, x.size(0), dtype=x.dtype)
        dis = deg.pow(-0.5)
        dis[dis == float("inf")] = 0
        norm = dis[row] * dis[col]
        return torch.zeros_like(x).index_add_(0, col, norm.view(-1, 1) * x[row]) + self.bias


class GATConv(nn.Module):
    def __init__(self, i, o, heads=2, slope=0.2):
        super().__init__()
        self.h, self.o = heads, o
        self.lin = Linear(i, heads * o, bias=False)
        self.att_src = Parameter(torch.empty(1, heads, o))
        self.att_dst = Parameter(torch.empty(1, heads, o))
        self.slope = slope
        nn.init.xavier_uniform_(self.lin.weight, gain=nn.init.calculate_gain("relu"))
        nn.init.xavier_normal_(self.att_src)
        nn.init.xavier_normal_(self.att_dst)

    def forward(self, x, ei):
        h = self.lin(x).view(-1, self.h, self.o)
        a = (h * self.att_src).sum(-1)[ei[0]] + (h * self.att_dst).sum(-1)[ei[1]]
        a = softmax(F.leaky_relu(a, self.slope), ei[1], x.size(0))
        a = F.dropout(a, p=0.3, training=self.training)
        return scatter(h[ei[0]] * a.unsqueeze(-1), ei[1], 0, x.size(0)).flatten(1)


class SAGE(nn.Module):
    def __init__(self, i, o, agg):
        super().__init__()
        self.l, self.r, self.agg = Linear(i, o), Linear(i, o, bias=False), agg

    def forward(self, x, ei):
        return F.normalize(
            self.l(scatter(x[ei[0]], ei[1], 0, x.size(0), self.agg)) + self.r(x), p=2.0, dim=-1
        )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = GCNConv(n, 8)
        self.c2 = GATConv(8, 4)
        self.c3 = SAGE(8, 8, "mean")
        self.c4 = SAGE(8, 8, "max")
        self.cl = Linear(8, 4)

    def forward(self, x, ei):
        x = self.c1(x, ei).tanh()
        x = F.elu(self.c2(x, ei))
        x = self.c3(x, ei).relu()
        x = self.c4(x, ei)
        return F.log_softmax(self.cl(x), dim=1), x


m = Net()
print(m)
o = torch.optim.Adam(
    [
        dict(params=m.c1.parameters(), weight_decay=5e-4),
        dict(params=[p for k, p in m.named_parameters() if not k.startswith("c1")], weight_decay=0),
    ],
    lr=0.02,
)
best = 0
for e in range(1, 13):
    m.train()
    o.zero_grad()
    out, h = m(x, edge_index)
    loss = F.nll_loss(out[train_mask], y[train_mask])
    loss.backward()
    o.step()
    m.eval()
    logits, accs = m(x, edge_index)[0], []
    for mask in (train_mask, ~train_mask):
        pred = logits[mask].max(1)[1]
        accs.append(pred.eq(y[mask]).sum().item() / mask.sum().item())
    if e % 5 == 0:
        print("Epoch: {:03d}, Loss: {:.4f}, Train: {:.4f}, Test: {:.4f}".format(e, loss, *accs))
A = torch.zeros(n, n).index_put_((edge_index[0], edge_index[1]), torch.tensor(1.0))
print(A.sum(), (A @ A).diagonal()[:5], A.count_nonzero(dim=0)[:6], torch.linalg.matrix_rank(A))
L = torch.diag(A.sum(1)) - A
batch = torch.arange(n) // 12
print(
    scatter(h.detach(), batch, 0, 3, "mean")[:, :4],
    torch.bincount(batch),
    torch.zeros(3, 8).index_reduce_(0, batch, h.detach(), "amax", include_self=False)[:, :3],
)
pos = edge_index
neg = torch.randint(0, n, pos.shape)
z = nn.Parameter(torch.randn(n, 4) * 0.1)
oo = torch.optim.Adagrad([z], lr=0.1)
for e in range(5):
    s = torch.cat([(z[pos[0]] * z[pos[1]]).sum(-1), (z[neg[0]] * z[neg[1]]).sum(-1)])
    l = F.binary_cross_entropy_with_logits(
        s, torch.cat([torch.ones(pos.size(1)), torch.zeros(neg.size(1))]), pos_weight=torch.tensor(2.0)
    )
    oo.zero_grad()
    l.backward()
    oo.step()
    print(l)
dist = torch.cdist(z, z).fill_diagonal_(float("inf"))
d, nn_ = dist.topk(2, largest=False)
print(d[:3], nn_[:3])
