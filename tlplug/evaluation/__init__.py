"""How good a model is: figures with intervals, calibration, mistakes, and the report of them."""

from tlplug.evaluation.evaluation import Evaluation
from tlplug.evaluation.rate_curve import RateCurve
from tlplug.evaluation.report import ReportInput, in_markdown, interval, percent, render_card, render_report

__all__ = [
    "Evaluation",
    "RateCurve",
    "ReportInput",
    "in_markdown",
    "interval",
    "percent",
    "render_card",
    "render_report",
]
