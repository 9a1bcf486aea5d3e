"""Emotions: the seven labels of FER-2013, in the order of the data set (0 to 6)."""

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
