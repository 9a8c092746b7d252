"""Calibration of a shadow's posterior: one temperature, fitted on held-out rows and kept in its norm.

The tags' logits are linear in the shadow's final-normed state, so dividing that norm's gain by T
divides every logit by T: the posterior stays the one that CONTRACT.md defines, of a shadow whose
weights say how sure it is. Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cloud_server.modeling import ShadowModel
from cloud_server.training.objective import TagHead
from shared.tags import TAGS, print_tag

TEMPERATURES = tuple(round(0.5 + 0.025 * step, 3) for step in range(101))
BINS = 15


def fit_temperature(states: Tensor, head: TagHead, labels: Sequence[str]) -> float:
    """Return the temperature (0.5 to 3) with the least negative log-likelihood of the labels.

    states: [rows * branches, hidden] at the rows' branching nodes (`posterior.branch_states`).
    """
    wanted = torch.tensor([TAGS.index(print_tag(label)) for label in labels])

    def loss(temperature: float) -> float:
        logs = head.log_posterior(states / temperature)
        return float(-logs.gather(1, wanted[:, None].to(logs.device)).mean())

    return min(TEMPERATURES, key=loss)


@torch.no_grad()
def fold_temperature(model: ShadowModel, temperature: float) -> None:
    """Divide the gain of the shadow's final norm by `temperature`, in place."""
    shadow: nn.Module = model.shadow_model
    norm = shadow.get_submodule("norm")
    gain = norm.get_parameter("weight")
    offset = 1.0 if type(norm).__name__.startswith("Gemma") else 0.0  # Gemma's gain is 1 + weight
    gain.copy_((gain + offset) / temperature - offset)


def calibration_error(posteriors: Tensor, labels: Sequence[str], bins: int = BINS) -> float:
    """Return the expected calibration error of the best tag over equally wide bins."""
    best = posteriors.max(dim=1)
    wanted = torch.tensor([TAGS.index(print_tag(label)) for label in labels])
    right = (best.indices == wanted).float()
    number = (best.values * bins).long().clamp(max=bins - 1)
    error = 0.0
    for each in range(bins):
        inside = number == each
        if bool(inside.any()):
            gap = (best.values[inside].mean() - right[inside].mean()).abs()
            error += float(inside.float().mean() * gap)
    return error
