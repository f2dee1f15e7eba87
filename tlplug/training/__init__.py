"""Training: from a data set and a chosen backbone to a measured predictor."""

from tlplug.training.auto import train_auto
from tlplug.training.callbacks import with_scalars
from tlplug.training.candidate import TrainingContext
from tlplug.training.fine_tune import train_tuned
from tlplug.training.frozen import MAX_UNREADABLE, Training, train_frozen
from tlplug.training.provenance import TRIED, how_trained, report_input, run_info, tried_rows, versions_of
from tlplug.training.request import check_request, data_error, request_of
from tlplug.training.retraining import data_again, read_with, setup_again
from tlplug.training.settings import Tuning, check_tuning
from tlplug.training.strategy import AUTO, FEATURES, STRATEGIES, check_strategy
from tlplug.training.trainer import DivergedError
from tlplug.training.workflow import run_training

__all__ = [
    "AUTO",
    "FEATURES",
    "MAX_UNREADABLE",
    "STRATEGIES",
    "TRIED",
    "DivergedError",
    "Training",
    "TrainingContext",
    "Tuning",
    "check_request",
    "check_strategy",
    "check_tuning",
    "data_again",
    "data_error",
    "how_trained",
    "read_with",
    "report_input",
    "request_of",
    "run_info",
    "run_training",
    "setup_again",
    "train_auto",
    "train_frozen",
    "train_tuned",
    "tried_rows",
    "versions_of",
    "with_scalars",
]
