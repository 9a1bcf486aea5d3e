"""One colour per emotion, for charts in which all seven stand beside each other: the timelines of clips and cameras.

They are the seven colours of Paul Tol's scheme "bright" (Colour Schemes, SRON/EPS/TN/09-002, 2021), which colour-blind
people tell apart, on light and on dark ground.
"""

from fer_models import EMOTIONS

_BRIGHT = {
    "angry": "#ee6677",
    "disgust": "#228833",
    "fear": "#aa3377",
    "happy": "#ccbb44",
    "sad": "#4477aa",
    "surprise": "#66ccee",
    "neutral": "#bbbbbb",
}

# In the order of EMOTIONS, which is that of probabilities.
EMOTION_COLOURS = tuple(_BRIGHT[emotion] for emotion in EMOTIONS)

# The same as CSS variables, --angry to --neutral, for LAUNCH_OPTIONS["css"].
EMOTION_CSS = f":root {{ {' '.join(f'--{emotion}: {colour};' for emotion, colour in _BRIGHT.items())} }}"
