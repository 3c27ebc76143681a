"""Whole models, as small as `width` says: at the widths in LARGE they are the published ones, with torchvision's names."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class Mlp(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        for layer in (self.fc1, self.fc2):
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.head(torch.tanh(self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))))


class LeNet(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 5, padding=2)
        self.conv2 = nn.Conv2d(width, 2 * width, 5)
        self.fc1 = nn.Linear(2 * width * 4, 60)
        self.fc2 = nn.Linear(60, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.view(x.size(0), -1))))


class BasicBlock(nn.Module):
    def __init__(self, inplanes, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or inplanes != planes:
            self.downsample = nn.Sequential(nn.Conv2d(inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self, width=3, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inplanes = width
        for i in range(4):
            planes = width << i
            blocks = [BasicBlock(inplanes, planes, 1 if i == 0 else 2), BasicBlock(planes, planes, 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
            inplanes = planes
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inplanes, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def conv_bn(inp, out, kernel, stride, groups, activation):
    layers = [nn.Conv2d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *([activation(inplace=True)] if activation else []))


class InvertedResidual(nn.Module):
    def __init__(self, inp, out, stride, expand):
        super().__init__()
        hidden = inp * expand
        layers = [] if expand == 1 else [conv_bn(inp, hidden, 1, 1, 1, nn.ReLU6)]
        layers += [conv_bn(hidden, hidden, 3, stride, hidden, nn.ReLU6)]
        layers += [nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and inp == out

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    SETTING = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]

    def __init__(self, setting=((1, 4, 1, 1), (6, 6, 2, 2), (6, 8, 2, 2)), stem=8, last=32, classes=10, dropout=0.0):
        super().__init__()
        features = [conv_bn(3, stem, 3, 2, 1, nn.ReLU6)]
        inp = stem
        for expand, out, repeats, stride in setting:
            for i in range(repeats):
                features.append(InvertedResidual(inp, out, stride if i == 0 else 1, expand))
                inp = out
        features.append(conv_bn(inp, last, 1, 1, 1, nn.ReLU6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
        nn.init.normal_(self.classifier[1].weight, 0, 0.01)

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeeze):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze, 1)
        self.fc2 = nn.Conv2d(squeeze, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.silu(self.fc1(self.avgpool(x)))))


class MBConv(nn.Module):
    def __init__(self, inp, out, kernel, stride, expand):
        super().__init__()
        hidden = inp * expand
        layers = [] if expand == 1 else [conv_bn(inp, hidden, 1, 1, 1, nn.SiLU)]
        layers += [conv_bn(hidden, hidden, kernel, stride, hidden, nn.SiLU), SqueezeExcitation(hidden, max(1, inp // 4))]
        layers += [conv_bn(hidden, out, 1, 1, 1, None)]
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and inp == out

    def forward(self, x):
        return x + self.block(x) if self.residual else self.block(x)


class EfficientNet(nn.Module):
    B0 = [(1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1), (6, 192, 4, 5, 2), (6, 320, 1, 3, 1)]

    def __init__(self, setting=((1, 4, 1, 3, 1), (6, 6, 2, 3, 2), (6, 8, 2, 5, 2)), stem=8, last=32, classes=10, dropout=0.0):
        super().__init__()
        features = [conv_bn(3, stem, 3, 2, 1, nn.SiLU)]
        inp = stem
        for expand, out, repeats, kernel, stride in setting:
            blocks = []
            for i in range(repeats):
                blocks.append(MBConv(inp, out, kernel, stride if i == 0 else 1, expand))
                inp = out
            features.append(nn.Sequential(*blocks))
        features.append(conv_bn(inp, last, 1, 1, 1, nn.SiLU))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.features(x), 1)
        return self.classifier(torch.flatten(x, 1))


def double_conv(inp, out):
    return nn.Sequential(
        nn.Conv2d(inp, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(),
        nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(),
    )


class UNet(nn.Module):
    """Transposed convolution on the way up, and bilinear resizing once; classes per pixel."""

    def __init__(self, width=4, classes=3):
        super().__init__()
        self.down1 = double_conv(1, width)
        self.down2 = double_conv(width, 2 * width)
        self.bottom = double_conv(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.dec2 = double_conv(4 * width, 2 * width)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.dec1 = double_conv(3 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        b = self.dec2(torch.cat([self.up2(c), b], 1))
        return self.head(self.dec1(torch.cat([self.up1(b), a], 1)))


class Recurrent(nn.Module):
    def __init__(self, kind, features=6, hidden=10, layers=1, bidirectional=False, classes=5):
        super().__init__()
        self.rnn = kind(features, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(hidden * (2 if bidirectional else 1), classes)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.head(out[:, -1])


class Encoder(nn.Module):
    """nn.TransformerEncoder over tokens; the mean of its outputs is classified."""

    def __init__(self, width=16, layers=2, heads=2, vocabulary=31, length=8, classes=4):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(1, length, width) * 0.1)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens):
        return self.head(self.encoder(self.embed(tokens) + self.position).mean(1))


class Attention(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2) for part in self.c_attn(x).split(c, 2))
        scores = q @ k.transpose(-2, -1) / math.sqrt(c // self.heads)
        if self.causal:
            scores = scores.masked_fill(torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1), float("-inf"))
        return self.c_proj((F.softmax(scores, -1) @ v).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, causal)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):
    """The head shares the token embedding: one parameter, two names in state_dict."""

    def __init__(self, width=16, layers=2, heads=2, vocabulary=31, length=8):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(length, width)
        self.h = nn.Sequential(*(Block(width, heads, True) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        return self.lm_head(self.ln_f(self.h(x)))


class VisionTransformer(nn.Module):
    def __init__(self, image=16, patch=4, width=16, layers=2, heads=2, classes=10):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, width) * 0.02)
        self.encoder = nn.Sequential(*(Block(width, heads, False) for _ in range(layers)))
        self.ln = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embedding
        return self.head(self.ln(self.encoder(x))[:, 0])


def tokens(length, vocabulary):
    return {"shape": [length], "integers": vocabulary}


def numbers(*shape):
    return {"shape": list(shape)}


# name -> (make, example input, classes, positions that a label is given for, lr)
SMALL = {
    "mlp": (Mlp, numbers(1, 8, 8), 10, [], 0.1),
    "lenet": (LeNet, numbers(1, 16, 16), 10, [], 0.05),
    "resnet18": (ResNet18, numbers(3, 64, 64), 10, [], 0.002),
    "mobilenetv2": (MobileNetV2, numbers(3, 24, 24), 10, [], 0.05),
    "efficientnet": (EfficientNet, numbers(3, 24, 24), 10, [], 0.05),
    "unet": (UNet, numbers(1, 12, 12), 3, [12, 12], 0.1),
    "lstm": (lambda: Recurrent(nn.LSTM), numbers(7, 6), 5, [], 0.2),
    "gru": (lambda: Recurrent(nn.GRU, layers=2, bidirectional=True), numbers(7, 6), 5, [], 0.2),
    "encoder": (Encoder, tokens(8, 31), 4, [], 0.05),
    "gpt": (Gpt, tokens(8, 31), 31, [8], 0.1),
    "vit": (VisionTransformer, numbers(3, 16, 16), 10, [], 0.05),
}

# The published sizes, for the long suite.
LARGE = {
    "resnet18": (lambda: ResNet18(64, 1000), numbers(3, 96, 96), 1000, [], 0.0001),
    "mobilenetv2": (lambda: MobileNetV2(MobileNetV2.SETTING, 32, 1280, 1000), numbers(3, 96, 96), 1000, [], 0.0001),
    "efficientnet": (lambda: EfficientNet(EfficientNet.B0, 32, 1280, 1000), numbers(3, 64, 64), 1000, [], 0.003),
    "unet": (lambda: UNet(32), numbers(1, 32, 32), 3, [32, 32], 0.003),
    "lstm": (lambda: Recurrent(nn.LSTM, 32, 128, 2), numbers(20, 32), 5, [], 0.1),
    "gru": (lambda: Recurrent(nn.GRU, 32, 128, 2, True), numbers(20, 32), 5, [], 0.1),
    "encoder": (lambda: Encoder(128, 4, 8, 1000, 32), tokens(32, 1000), 4, [], 0.02),
    "gpt": (lambda: Gpt(128, 4, 4, 256, 64), tokens(64, 256), 256, [64], 0.05),
    "vit": (lambda: VisionTransformer(32, 4, 96, 6, 3), numbers(3, 32, 32), 10, [], 0.02),
}
