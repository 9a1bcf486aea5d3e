"""The limit of uploads."""

# The largest file that is taken. What its picture may be like stands in fer_models/data/pictures.py.
MEGABYTES = 20
