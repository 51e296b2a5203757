"""What is compared: networks, rules and optimizers as data. A case runs the same step on both sides, batch and initial numbers included."""

from dataclasses import dataclass, field

SGD = 'name = "sgd"'


@dataclass(frozen=True)
class Case:
    """One network under one rule. `network` is a [network] table of realign (or "stack"), `torch` a maker in `networks.py`."""

    name: str
    network: str
    torch: str
    input: tuple
    batch: int
    rule: str = "bp"
    classes: int = 10
    optimizer: str = SGD
    lr: float = 0.01
    images: bool = field(default=False)

    @property
    def id(self):
        return f"{self.name} {self.rule}"

    @property
    def peer(self):
        """Backpropagation meets plain PyTorch, feedback alignment BioTorch's layers."""
        return "PyTorch" if self.rule == "bp" else "BioTorch"


def mlp(widths, batch):
    name = "-".join(map(str, widths))
    text = f"widths = {list(widths)}"
    return dict(name=f"{name}, {batch}", network=text, torch=f"mlp {name}", input=(widths[0],), batch=batch)


NETWORKS = [
    dict(name="conv stack, 64", network="stack", torch="stack", input=(3, 32, 32), batch=64, images=True),
    dict(name="LeNet, 128", network='model = "lenet"', torch="lenet", input=(3, 32, 32), batch=128, images=True),
    dict(name="ResNet-20, 64", network='model = "resnet20"', torch="resnet20", input=(3, 32, 32), batch=64, images=True),
    mlp((784, 512, 10), 64),
    mlp((784, 4096, 10), 128),
    mlp((784, 1024, 1024, 10), 128),
]

CASES = [Case(rule=rule, **network) for network in NETWORKS for rule in ("bp", "fa")]
