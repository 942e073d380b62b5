"""Training sets: their values, readers that tell a file by its content, cleaning, splits and augmentation."""
