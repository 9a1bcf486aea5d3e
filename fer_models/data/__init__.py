"""FER-2013: finding, reading and verifying it, and turning faces into batches."""
