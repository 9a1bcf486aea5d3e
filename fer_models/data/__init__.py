"""Data: reading and verifying FER-2013, and preparing batches of faces."""
