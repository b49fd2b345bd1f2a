"""``python -m napari_unet`` is the command line."""

import sys

from napari_unet.cli import main

sys.exit(main())
