"""Reading published atlases, judging them, and laying them out below the data root; no rows."""
