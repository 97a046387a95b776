"""Readers and writers of image data: TIFF planes in, sharded precomputed volumes out."""
