"""Scores of predictions."""

from sercl.metrics.functional.classification import AVERAGES, Average, register

__all__ = ["AVERAGES", "Average", "register"]
