"""Evaluation of the models: metrics, calibration, comparisons, plots and model cards."""
