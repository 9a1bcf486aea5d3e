"""Evidence for and against a heat map: does the model use what it shows, and does it depend on the model at all?"""

from fer_models.evidence.agreement import Agreement, agreement
from fer_models.evidence.faithfulness import Faithfulness, faithfulness
from fer_models.evidence.levelled import predict_levelled
from fer_models.evidence.perturbation import Curves, perturbation_curves
from fer_models.evidence.regions import MEAN_LANDMARKS, REGIONS, region_masks, region_shares
from fer_models.evidence.sanity import SanityCheck, sanity_check

__all__ = [
    "MEAN_LANDMARKS",
    "REGIONS",
    "Agreement",
    "Curves",
    "Faithfulness",
    "SanityCheck",
    "agreement",
    "faithfulness",
    "perturbation_curves",
    "predict_levelled",
    "region_masks",
    "region_shares",
    "sanity_check",
]
