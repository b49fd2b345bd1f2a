"""Between napari's layers and what the program works on: scans, paint, masks, files."""
