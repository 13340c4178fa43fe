"""nn.Transformer on a copying task, with masks; mixed with lazy layers, pooling and weight averaging."""

import math

import torch
import torch.nn as nn

torch.manual_seed(11)


class Places(nn.Module):
    """x (T, B, width) plus a sine and a cosine of its place for each pair of features, the later ones slower."""

    def __init__(self, width, longest=40):
        super().__init__()
        self.blur = nn.Dropout(p=0.1)
        pair = torch.arange(width // 2).float()
        angle = torch.arange(longest, dtype=torch.float).unsqueeze(1) * torch.exp(
            pair * (-2 * math.log(300.0) / width)
        )
        table = torch.zeros(longest, width)
        table[:, ::2], table[:, 1::2] = torch.sin(angle), torch.cos(angle)
        self.register_buffer("table", table.unsqueeze(0).transpose(0, 1))

    def forward(self, x):
        return self.blur(x + self.table[: x.size(0)])


class Model(nn.Module):
    def __init__(self, tokens=12, width=16):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.place = Places(width)
        self.transformer = nn.Transformer(
            width, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=32
        )
        self.out = nn.Linear(width, tokens)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(len(target))
        hidden = self.transformer(
            self.place(self.embedding(source)), self.place(self.embedding(target)), tgt_mask=mask
        )
        return self.out(hidden)


model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=30)
criterion = nn.CrossEntropyLoss()
losses = []
for step in range(30):
    source = torch.randint(1, 12, (6, 8))
    target = torch.cat([torch.zeros(1, 8, dtype=torch.long), source[:-1]])
    loss = criterion(model(source, target).view(-1, 12), source.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())

encoder = nn.TransformerEncoder(
    nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), 2, enable_nested_tensor=False
)
net = nn.Sequential(
    nn.LazyConv2d(4, kernel_size=3, padding=1),
    nn.LazyBatchNorm2d(),
    nn.SiLU(),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.LazyLinear(8),
)
head = nn.Linear(8, 2)
images, labels = torch.randn(32, 2, 6, 6), torch.randint(0, 2, (32,))
net(images[:2])
parts = nn.ModuleList([encoder, net, head])
average = torch.optim.swa_utils.AveragedModel(head)
optimizer = torch.optim.SGD(parts.parameters(), lr=0.1, momentum=0.9)
for step in range(20):
    features = encoder(net(images).unsqueeze(1)).squeeze(1)
    loss = nn.functional.cross_entropy(head(features), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    average.update_parameters(head)
    losses.append(loss.item())
losses.append(average(features).sum().item())
