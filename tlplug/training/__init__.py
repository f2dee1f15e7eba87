"""Training: from a data set and a chosen backbone to a measured predictor."""

from tlplug.training.frozen import MAX_UNREADABLE, Training, train_frozen
from tlplug.training.provenance import report_input, run_info
from tlplug.training.strategy import STRATEGIES, check_strategy

__all__ = [
    "MAX_UNREADABLE",
    "STRATEGIES",
    "Training",
    "check_strategy",
    "report_input",
    "run_info",
    "train_frozen",
]
