"""steg-cinn: any file in the colours of a photo; its luminance stays.

    space, covers        RGB <-> luminance and colour differences, in whole numbers; covers made ready
    still                pixels whose colours stay
    groups               the order in which pixels are coloured
    nets, coarse         what their colours may be: levels 1 to 3, and those above
    codec                numbers <-> colours: the flow, with the rounding inside
    symbols, message     bits <-> numbers; bytes <-> bits
    places               where the header lies
    sender, receiver     a message into a cover, and back
    method               StegCinn, which brings these together
    rivals               the paper's own flow, to compare with

Reference: Hiding Data in Colors: Secure and Lossless Image Steganography via Conditional Invertible Neural Networks
(Yanzhen Ren, Ting Liu, Liming Zhai, Lina Wang, IJCAI 2022). The greatest differences: a space of whole numbers in
place of Lab, whose luminance comes back exactly; a discrete autoregressive flow in place of couplings that are rounded
afterwards; all numbers on a circle in place of signs with a gap; a code in place of training for rounding errors.
"""

from stegcli.about import About
from stegcli.methods.steg_cinn.options import HideOptions

ABOUT = About(
    name="steg-cinn",
    summary="any file in the colours of your own photo, drawn anew; its luminance stays",
    carries=frozenset({"bytes"}),
    cover="given",
    hide=HideOptions,
    parts=("fine", "coarse", "cinn"),
    reference="Ren, Liu, Zhai, Wang, IJCAI 2022",
)
