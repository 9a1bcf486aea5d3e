"""How good the models are: metrics, comparisons between them, figures and model cards."""
