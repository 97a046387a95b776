"""The one reader of raw acquisitions: file names, headers, and whether a delivery is whole."""
