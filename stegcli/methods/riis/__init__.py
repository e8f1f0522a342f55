"""riis: a picture or any file in the user's own photo, through JPEG, noise and crops.

Reference: Robust Invertible Image Steganography (Youmin Xu, Chong Mou, Yujie Hu, Jingfen Xie, Jian Zhang, CVPR 2022).
"""
