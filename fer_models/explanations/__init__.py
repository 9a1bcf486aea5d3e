"""Explanations: heat maps of the Grad-CAM family and attention maps, from one forward pass."""

from fer_models.explanations.explainer import Target, explain
from fer_models.explanations.explanation import Explanation, Explanations
from fer_models.explanations.methods import METHODS, Method

__all__ = ["METHODS", "Explanation", "Explanations", "Method", "Target", "explain"]
