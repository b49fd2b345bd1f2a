"""The fully connected conditional random field: edges that follow the picture.

Kraehenbuehl & Koltun 2011, doi:10.48550/arXiv.1210.5644. It minimises

    E(x) = sum_i U_i(x_i) + sum_{i<j} mu(x_i, x_j) (w1 Ka_ij + w2 Ks_ij),   U = -log(clip(p, 1e-5, 1))

by mean field, where p are a network's probabilities and the kernels are Gaussians over position p (mm) and intensity
I, Ka_ij = exp(-|p_i - p_j|^2 / 2 ta^2 - |I_i - I_j|^2 / 2 tb^2) and Ks_ij = exp(-|p_i - p_j|^2 / 2 tg^2), each
normalised symmetrically, D^-1/2 K D^-1/2 with D = diag(K 1); as in the authors' code a voxel's own term is kept.
"""

from napari_unet.refinement.crf.dense import (
    CrfParameters,
    CrfResult,
    dense_crf,
    dense_crf_job,
    probabilities_of,
    warm_up,
)
from napari_unet.refinement.crf.layout import FREE

__all__ = ["FREE", "CrfParameters", "CrfResult", "dense_crf", "dense_crf_job", "probabilities_of", "warm_up"]
