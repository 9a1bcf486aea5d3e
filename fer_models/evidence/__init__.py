"""Evaluation of heat maps: faithfulness (ROAD, deletion, insertion), agreement, face regions and the sanity check."""

from fer_models.evidence.agreement import Agreement, measure_agreement
from fer_models.evidence.faithfulness import Faithfulness, measure_faithfulness
from fer_models.evidence.perturbation import Curves, perturbation_curves
from fer_models.evidence.quick import QuickCheck, quick_check
from fer_models.evidence.regions import MEAN_LANDMARKS, REGIONS, region_masks, region_shares
from fer_models.evidence.sanity import SanityCheck, sanity_check
from fer_models.evidence.uniform_attention import predict_with_uniform_attention

__all__ = [
    "MEAN_LANDMARKS",
    "REGIONS",
    "Agreement",
    "Curves",
    "Faithfulness",
    "QuickCheck",
    "SanityCheck",
    "measure_agreement",
    "measure_faithfulness",
    "perturbation_curves",
    "predict_with_uniform_attention",
    "quick_check",
    "region_masks",
    "region_shares",
    "sanity_check",
]
