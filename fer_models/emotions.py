"""The seven labels of FER-2013, in the data set's own order (0 to 6)."""

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
