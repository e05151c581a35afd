"""Metrics: pure functions of numpy arrays. They know no models, configurations or paths."""

from gerank.metrics.auc import GroupedAuc, auc, group_aucs, grouped_auc
from gerank.metrics.better import better_percentage
from gerank.metrics.calibration import (
    Binning,
    CalibrationBins,
    calibration_bins,
    expected_calibration_error,
    mean_bins,
)
from gerank.metrics.control import hypervolume, pareto_front, spearman
from gerank.metrics.counterfactual import doubly_robust, ips, self_normalised
from gerank.metrics.importance_weights import (
    effective_sample_size,
    placement_weights,
    prefix_weights,
)
from gerank.metrics.intervals import Interval, mean_interval, ratio_interval, ratios_interval
from gerank.metrics.isotonic import MonotoneCurve, fit_monotone_curve
from gerank.metrics.ndcg import MeanNdcg, mean_ndcg, ndcg_at_k
from gerank.metrics.recall import recall_at_k
from gerank.metrics.roc import RocCurve, roc_curve

__all__ = [
    "Binning",
    "CalibrationBins",
    "GroupedAuc",
    "Interval",
    "MeanNdcg",
    "MonotoneCurve",
    "RocCurve",
    "auc",
    "better_percentage",
    "calibration_bins",
    "doubly_robust",
    "effective_sample_size",
    "expected_calibration_error",
    "fit_monotone_curve",
    "group_aucs",
    "grouped_auc",
    "hypervolume",
    "ips",
    "mean_bins",
    "mean_interval",
    "mean_ndcg",
    "ndcg_at_k",
    "pareto_front",
    "placement_weights",
    "prefix_weights",
    "ratio_interval",
    "ratios_interval",
    "recall_at_k",
    "roc_curve",
    "self_normalised",
    "spearman",
]
