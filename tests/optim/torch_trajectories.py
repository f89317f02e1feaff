"""Weights and learning rates as PyTorch's optimisers and schedulers give them, in float64.

    python tests/optim/torch_trajectories.py

writes torch_trajectories.npz beside this file, which the tests compare with; PyTorch is needed for that only.
Every rule sees the same 1000 gradients, which do not depend on the weights: so rounding is not amplified.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).with_suffix(".npz")
STEPS = 1000
KEPT = (1, 2, 3, 10, 30, 100, 300, 1000)  # the steps after which weights are written down
RATES = 120  # how many rates of a schedule are


def start():
    """The first weights: a matrix and a vector."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=(3, 2)), rng.normal(size=2)]


def gradients():
    """Noise of changing size around a slow wave; every tenth gradient of the vector is zero."""
    rng = np.random.default_rng(2)
    for t in range(STEPS):
        size = np.exp(np.sin(t / 70))
        matrix = size * (rng.normal(size=(3, 2)) + np.sin(t / 40 + np.arange(6).reshape(3, 2)))
        yield [matrix, (t % 10 > 0) * rng.normal(size=2)]


def optimisers(optim):
    """The rules by name, each a function of the parameters."""
    return {
        "sgd": lambda p: optim.SGD(p, 0.01),
        "momentum": lambda p: optim.SGD(p, 0.01, momentum=0.9),
        "nesterov": lambda p: optim.SGD(p, 0.01, momentum=0.9, nesterov=True),
        "adagrad": lambda p: optim.Adagrad(p, 0.1, initial_accumulator_value=0.1),
        "adagrad decayed": lambda p: optim.Adagrad(p, 0.1, lr_decay=0.01),
        "rmsprop": lambda p: optim.RMSprop(p, 0.01),
        "rmsprop momentum": lambda p: optim.RMSprop(p, 0.01, alpha=0.9, momentum=0.8),
        "rmsprop centred": lambda p: optim.RMSprop(p, 0.01, alpha=0.95, centered=True, eps=1e-3),
        "rmsprop centred momentum": lambda p: optim.RMSprop(p, 0.01, centered=True, momentum=0.9, eps=1e-3),
        "adam": lambda p: optim.Adam(p, 0.01),
        "adam eps": lambda p: optim.Adam(p, 0.01, betas=(0.8, 0.95), eps=0.1),
        "adam l2": lambda p: optim.Adam(p, 0.01, weight_decay=0.1),
        "adamw": lambda p: optim.AdamW(p, 0.01, weight_decay=0.1),
        "nadam": lambda p: optim.NAdam(p, 0.01),
        "nadam decay": lambda p: optim.NAdam(p, 0.01, momentum_decay=0.1, weight_decay=0.1),
        "nadamw": lambda p: optim.NAdam(p, 0.01, weight_decay=0.1, decoupled_weight_decay=True),
        "rprop": lambda p: optim.Rprop(p, 0.01),
        "rprop bounds": lambda p: optim.Rprop(p, 0.1, etas=(0.6, 1.3), step_sizes=(0.05, 0.5)),
    }


def schedulers(schedulers):
    """The schedules by name, each a function of an optimiser whose rate is 0.1."""
    return {
        "step": lambda o: schedulers.StepLR(o, 7, gamma=0.5),
        "milestones": lambda o: schedulers.MultiStepLR(o, [5, 30, 31], gamma=0.3),
        "exponential": lambda o: schedulers.ExponentialLR(o, 0.97),
        "cosine": lambda o: schedulers.CosineAnnealingLR(o, RATES - 1, eta_min=0.01),
        "restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, 10, eta_min=0.01),
        "growing restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, 8, T_mult=2, eta_min=0.01),
        "one cycle": lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=RATES, cycle_momentum=False),
        "early cycle": lambda o: schedulers.OneCycleLR(
            o,
            0.1,
            total_steps=RATES,
            pct_start=0.1,
            div_factor=10,
            final_div_factor=100,
            cycle_momentum=False,
        ),
        "warm-up": lambda o: schedulers.SequentialLR(
            o,
            [schedulers.LinearLR(o, 0.2, total_iters=10), schedulers.ExponentialLR(o, 0.97)],
            milestones=[10],
        ),
    }


def trajectory(torch, make, schedule=None, before=None):
    """The weights after the steps that are kept, and the averages of an average."""
    params = [torch.nn.Parameter(torch.from_numpy(w.copy())) for w in start()]
    rule = make(params)
    scheduler = schedule(rule) if schedule else None
    found = []
    for t, given in enumerate(gradients(), 1):
        for p, g in zip(params, given, strict=True):
            p.grad = torch.from_numpy(g.copy())
        if before:
            before(params)
        rule.step()
        if scheduler:
            scheduler.step()
        if t in KEPT:
            found.append(np.concatenate([p.detach().numpy().ravel() for p in params]))
    return np.stack(found)


def average(torch, **options):
    """Averages of the weights of plain descent."""
    params = torch.nn.ParameterList([torch.from_numpy(w.copy()) for w in start()])
    averaged = torch.optim.swa_utils.AveragedModel(params, **options)
    rule, found = torch.optim.SGD(params.parameters(), 0.01), []
    for t, given in enumerate(gradients(), 1):
        for p, g in zip(params, given, strict=True):
            p.grad = torch.from_numpy(g.copy())
        rule.step()
        averaged.update_parameters(params)
        if t in KEPT:
            found.append(np.concatenate([p.detach().numpy().ravel() for p in averaged.module]))
    return np.stack(found)


def rates(torch, make):
    """The first rates of a schedule."""
    rule = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
    scheduler, found = make(rule), []
    for t in range(RATES):
        found.append(rule.param_groups[0]["lr"])
        rule.step()
        if t < RATES - 1:
            scheduler.step()
    return np.array(found)


def main():
    """Writes the file."""
    import warnings

    import torch

    warnings.simplefilter("ignore")  # SequentialLR calls its own parts in a deprecated way
    torch.set_default_dtype(torch.float64)  # of NAdam's product too
    rules, utilities = optimisers(torch.optim), torch.nn.utils
    found = {name: trajectory(torch, make) for name, make in rules.items()}
    found |= {f"rates/{name}": rates(torch, m) for name, m in schedulers(torch.optim.lr_scheduler).items()}
    found["step/momentum"] = trajectory(
        torch, rules["momentum"], lambda o: torch.optim.lr_scheduler.StepLR(o, 50, gamma=0.5)
    )
    found["clip/norm"] = trajectory(torch, rules["adam"], before=lambda p: utilities.clip_grad_norm_(p, 1.0))
    found["clip/values"] = trajectory(
        torch, rules["adam"], before=lambda p: utilities.clip_grad_value_(p, 0.5)
    )
    ema = torch.optim.swa_utils.get_ema_multi_avg_fn(0.95)
    found["average/polyak"] = average(torch)
    found["average/moving"] = average(torch, multi_avg_fn=ema)
    np.savez_compressed(PATH, **found)
    print(f"PyTorch {torch.__version__}: {PATH.name}, {PATH.stat().st_size} bytes, {len(found)} arrays")


if __name__ == "__main__":
    main()
