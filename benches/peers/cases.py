"""What is compared: networks, rules, optimizers and peers as data. A case runs the same step on both sides, batch and initial numbers included."""

from dataclasses import dataclass

# Words of realign's [optimizer] table, and what PyTorch calls the same.
OPTIMIZERS = {
    "sgd": 'name = "sgd"',
    "momentum + decay": 'name = "sgd"\nmomentum = 0.9\nweight_decay = 1e-4',
    "adam": 'name = "adam"',
}
RATES = {"sgd": 0.01, "momentum + decay": 0.01, "adam": 1e-4}

EAGER, HAND, FA, USF, KP = "PyTorch", "PyTorch by hand", "BioTorch", "BioTorch uSF", "Kolen-Pollack in PyTorch"
PEERS = {"bp": EAGER, "fa": FA, "sign_fa": USF, "adafa": KP}

# BioTorch's metrics as a probe: angle and ratio of norms of W and B in every layer. BioTorch keeps a B for the lowest layer too, which carries nothing,
# and measures it; where we have no B there is nothing to measure.
METRIC = (("1 steps", 'name = "weight_angle"'),)
ANGLES = (("10 steps", 'name = "update_angle"'), ("10 steps", 'name = "error_angle"'))


@dataclass(frozen=True)
class Network:
    """`table` is a [network] table of realign (or "stack"), `torch` a maker in `networks.py`."""

    name: str
    table: str
    torch: str
    input: tuple
    batch: int
    classes: int = 10

    @property
    def images(self):
        return len(self.input) == 3

    @property
    def normed(self):
        """Whether it has batch norm."""
        return self.torch.startswith("resnet")

    @property
    def shallow(self):
        """One hidden layer."""
        return self.torch.startswith("mlp") and self.torch.count("-") == 2


@dataclass(frozen=True)
class Case:
    """One network under one rule and optimizer beside one peer. `probes` as [every, table]; with them the peer measures its own metrics.
    Targets are the least ratio for one thread and for all cores, None where there is none."""

    net: Network
    rule: str = "bp"
    optimizer: str = "sgd"
    peer: str = EAGER
    probes: tuple = ()
    targets: tuple = (None, None)

    @property
    def name(self):
        metrics = ", metrics at every step" if self.probes == METRIC else ""
        return f"{self.net.name}, {self.rule}, {self.optimizer}{metrics}"

    @property
    def id(self):
        return f"{self.name} / {self.peer}"

    @property
    def lr(self):
        return RATES[self.optimizer]

    def opening(self):
        """The fields of realign's request `open`, without id, threads and state."""
        net = self.net
        return dict(
            network=net.table, input=net.input, classes=net.classes, batch=net.batch,
            rule=self.rule, optimizer=OPTIMIZERS[self.optimizer], lr=self.lr, probes=self.probes,
        )  # fmt: skip

    def other(self):
        """The same for the peer."""
        return dict(
            kind=self.peer, network=self.net.torch, input=self.net.input, rule=self.rule,
            optimizer=self.optimizer, lr=self.lr, metrics=bool(self.probes),
        )  # fmt: skip

    def variants(self):
        """Everything the peer could be run as; the fastest counts."""
        if self.peer == HAND:
            return [{}]
        layouts = ["contiguous", "channels last"] if self.net.images else ["contiguous"]
        return [{"layout": layout, "update": update} for layout in layouts for update in ("loop", "foreach", "fused")]


def mlp(widths, batch, classes=10):
    name = "-".join(map(str, widths))
    return Network(f"{name}, {batch}", f"widths = {list(widths)}", f"mlp {name}", (widths[0],), batch, classes)


MLPS = [
    mlp((784, 512, 10), 64),
    mlp((784, 4096, 10), 128),
    mlp((784, 1024, 1024, 10), 128),
    mlp((3072, 2048, 2048, 2048, 100), 128, 100),
]
IMAGES = [
    Network("conv stack, 64", "stack", "stack", (3, 32, 32), 64),
    Network("LeNet, 128", 'model = "lenet"', "lenet", (3, 32, 32), 128),
    Network("ResNet-20, 64", 'model = "resnet20"', "resnet20", (3, 32, 32), 64),
]
SMALL, WIDE, DEEP, LARGE = MLPS
STACK, LENET, RESNET = IMAGES

TARGETS = {
    (SMALL, "bp", "sgd"): (1.6, 1.5),
    (WIDE, "bp", "sgd"): (1.4, 1.35),
    (DEEP, "bp", "sgd"): (1.35, 1.35),
    (SMALL, "fa", "sgd"): (1.9, 2.0),
    (WIDE, "fa", "sgd"): (1.7, 1.5),
    (DEEP, "fa", "sgd"): (1.6, 1.5),
    (STACK, "bp", "sgd"): (1.0, 1.0),
    (STACK, "fa", "sgd"): (1.5, 1.5),
    (LENET, "bp", "sgd"): (1.2, 1.2),
    (RESNET, "bp", "sgd"): (1.0, 1.0),
}


def case(net, rule, optimizer="sgd"):
    """Beside the rule's natural peer, with its target."""
    with_memory = (1.4, 1.3) if net in (SMALL, WIDE, DEEP) and rule in ("bp", "fa") and optimizer != "sgd" else (None, None)
    return Case(net, rule, optimizer, PEERS[rule], targets=TARGETS.get((net, rule, optimizer), with_memory))


def by_hand(net, rule):
    return Case(net, rule, peer=HAND)


MEASURED = Case(SMALL, "fa", peer=FA, probes=METRIC, targets=(2.5, 2.5))
HANDS = [by_hand(net, rule) for net in MLPS for rule in ("bp", "fa")]


def by_network(chosen):
    return sorted(chosen, key=lambda case: [*MLPS, *IMAGES].index(case.net))


# A selection that leaves out no network, rule, optimizer or peer.
SELECTED = by_network([
    *(case(net, rule) for net in MLPS for rule in PEERS),
    *HANDS,
    *(case(net, "bp", optimizer) for net in MLPS for optimizer in ("momentum + decay", "adam")),
    *(case(net, "fa", optimizer) for net in (SMALL, WIDE) for optimizer in ("momentum + decay", "adam")),
    *(case(net, rule) for net in IMAGES for rule in ("bp", "fa")),
    *(case(STACK, rule) for rule in ("sign_fa", "adafa")),
    MEASURED,
])  # fmt: skip
# What has a target.
TARGETED = [case for case in SELECTED if any(case.targets)]
# Everything with everything.
ALL = by_network([
    *(case(net, rule, optimizer) for net in (*MLPS, *IMAGES) for rule in PEERS for optimizer in OPTIMIZERS),
    *HANDS,
    MEASURED,
])  # fmt: skip
QUICK = [
    *(case(SMALL, rule) for rule in PEERS),
    by_hand(SMALL, "bp"),
    case(SMALL, "bp", "momentum + decay"),
    case(SMALL, "bp", "adam"),
    case(WIDE, "fa"),
    case(DEEP, "bp"),
    case(STACK, "bp"),
    case(LENET, "fa"),
    MEASURED,
]
# Our own step with probes against the same without: the ratio is at most the target.
COSTS = [Case(net, "fa", probes=ANGLES) for net in (SMALL, WIDE, DEEP)]
COST_TARGET = 1.10
LEDGER_TARGETS = {"every step": 1.25, "every 10th step": 1.03}  # 784-1000-10, batch 64
SHARE_TARGET = 0.8
SWEEP_TARGET = 3.5
MEMORY_TARGET = 3.0
