"""The paper's network, `--as network`: a picture in a picture by an invertible network, without a key.

    blocks      pictures <-> 8x8 DCT coefficients of three orthogonal colours
    surface     what a channel leaves of a stego: which numbers a receiver reads, and the lattice they lie on
    mixing      the linear optimum for a channel as an invertible 1x1 convolution
    rounding    the lattice point that costs the secret least
    modulation  distortion-guided modulation (DGM), and the convolutional nets that it acts on
    flow        affine couplings, content-aware noise projection (CANP)
    enhance     the container enhancement module (CEM)
    model       Network, which brings these together; decoupled tuning (2DT)
    sender      cover, secrets -> the pixels of a stego; refinement

Reference: Robust Invertible Image Steganography (Xu, Mou, Hu, Xie, Zhang, CVPR 2022).
"""
