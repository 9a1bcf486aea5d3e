"""Analysis of many pictures: a row for each face, with what each model answers."""

from fer_models.analysis.pictures import Picture, open_pictures
from fer_models.analysis.pipeline import analyse
from fer_models.analysis.rows import Row, columns, settings

__all__ = ["Picture", "Row", "analyse", "columns", "open_pictures", "settings"]
