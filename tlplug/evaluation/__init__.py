"""How good a model is: figures with intervals, calibration, mistakes, and the report of them."""

from tlplug.evaluation.evaluation import Evaluation
from tlplug.evaluation.rate_curve import RateCurve
from tlplug.evaluation.report import ReportInput, interval, percent, render_card, render_report

__all__ = ["Evaluation", "RateCurve", "ReportInput", "interval", "percent", "render_card", "render_report"]
