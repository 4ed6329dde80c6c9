"""How many bits a model holds, and how many of them a copy already knows.

`encode` writes a network into so many bits and `decode` reads it back, bit for bit. `code_length` is what it
takes without writing it, from nothing or from a copy; `bits_told` is the difference: what explanations gave
away.
"""

from divulge.bits.code import Code
from divulge.bits.decoded import decode
from divulge.bits.encoded import encode
from divulge.bits.length import CodeLength, code_length
from divulge.bits.quantised import QuantisedLength, quantised_length
from divulge.bits.told import BitsTold, bits_told

__all__ = [
    "BitsTold",
    "Code",
    "CodeLength",
    "QuantisedLength",
    "bits_told",
    "code_length",
    "decode",
    "encode",
    "quantised_length",
]
