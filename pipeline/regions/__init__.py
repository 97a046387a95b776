"""What lies in which region of an atlas: volumes, intensities and cells."""
