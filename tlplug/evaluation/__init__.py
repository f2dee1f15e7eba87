"""How good a model is: figures with intervals, calibration, mistakes, and the report of them."""

from tlplug.evaluation.evaluation import Evaluation
from tlplug.evaluation.metrics import warnings_of
from tlplug.evaluation.rate_curve import RateCurve
from tlplug.evaluation.report import ReportInput, in_markdown, interval, percent, render_card, render_report
from tlplug.evaluation.training_curve import TrainingCurve

__all__ = [
    "Evaluation",
    "RateCurve",
    "ReportInput",
    "TrainingCurve",
    "in_markdown",
    "interval",
    "percent",
    "render_card",
    "render_report",
    "warnings_of",
]
