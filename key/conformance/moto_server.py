"""moto's server with one of its mistakes corrected: its KMS (5.2.5) does not know MessageType=DIGEST and hashes a digest again."""

import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from moto.kms.utils import ECDSAPrivateKey
from moto.server import main


def sign(self, message: bytes, signing_algorithm: str) -> bytes:
    if len(message) != 32:
        raise ValueError("this server signs digests of 32 bytes only")
    return self.private_key.sign(message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


ECDSAPrivateKey.sign = sign
main(sys.argv[1:])
