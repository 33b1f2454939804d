"""A network whose attention, scales and gates stay as they were for one image."""

from __future__ import annotations

import torch


class Replay:
    """Attention, scales and gates of one image, put into every other pass of the network."""

    def __init__(self, net, attentions=()):
        self.net, self.kept, self.frozen = net, {}, False
        self.attentions = attentions
        for part in net.modules():
            kinds = (torch.nn.Softmax, torch.nn.LayerNorm, torch.nn.GELU)
            if isinstance(part, kinds) or part in attentions:
                part.register_forward_hook(self.hold)

    def hold(self, part, args, output):
        x = args[0]
        if isinstance(part, torch.nn.Softmax) or part in self.attentions:
            return output if self._keep(part, output) else self.kept[part]
        if isinstance(part, torch.nn.GELU):
            gate = torch.where(x.abs() < 1e-6, 0.5, output / x)
            return output if self._keep(part, gate) else x * self.kept[part]
        spread = (x.var(dim=-1, unbiased=False, keepdim=True) + part.eps).sqrt()
        if self._keep(part, spread):
            return output
        centred = x - x.mean(dim=-1, keepdim=True)
        return centred / self.kept[part] * part.weight + part.bias

    def _keep(self, part, value):
        if not self.frozen:
            self.kept[part] = value
        return not self.frozen
