"""Faces in a photo: found with YuNet whatever their size and orientation, and cropped upright as in FER-2013."""

from fer_models.faces.detection import Progress, find_again, find_faces, find_new_faces, is_one_face
from fer_models.faces.geometry import Face, Square, crop_face, face_square, frame, landmarks_in_crop

__all__ = [
    "Face",
    "Progress",
    "Square",
    "crop_face",
    "face_square",
    "find_again",
    "find_faces",
    "find_new_faces",
    "frame",
    "is_one_face",
    "landmarks_in_crop",
]
