"""Checks the vectors with an encoder that is not ours: eth-account. Recomputes every packing, digest and signature from
what was signed. Needs what requirements.txt names; see check.mjs for a second opinion."""

import json
import sys
from pathlib import Path

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys import keys
from eth_utils import keccak, to_checksum_address

FILES = ["turns.json", "actions.json", "requests.json", "cancellations.json"]


def unhex(text):
    return bytes.fromhex(text.removeprefix("0x"))


def big_endian(number, size):
    return int(number).to_bytes(size, "big")


def native(kind, value, types):
    """The value as eth-account wants it."""
    if kind.endswith("[]"):
        return [native(kind.removesuffix("[]"), member, types) for member in value]
    if kind in types:
        return {field["name"]: native(field["type"], value[field["name"]], types) for field in types[kind]}
    if kind.startswith("uint"):
        return int(value)
    if kind.startswith("bytes"):
        return unhex(value)
    return value


def faults(vector):
    """What is wrong with a vector, in words."""
    found = []

    def expect(what, actual, expected):
        if actual != expected:
            found.append(f"{what}: {actual!r}, not {expected!r}")

    primary_type, types = vector["primaryType"], vector["types"]
    expect("message", [field["name"] for field in types[primary_type]], list(vector["message"]))
    message = native(primary_type, vector["message"], types)
    domain = vector["domain"] | {"chainId": int(vector["domain"]["chainId"])}
    signable = encode_typed_data(domain_data=domain, message_types=types, message_data=message)
    expect("primaryType", primary_type, next(iter(types)))
    expect("structHash", signable.body, unhex(vector["structHash"]))
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    expect("digest", digest, unhex(vector["digest"]))

    account = Account.from_key(vector["privateKey"])
    expect("signer", account.address, vector["signer"])
    signed = account.sign_message(signable)
    expect("signature", bytes(signed.signature), unhex(vector["signature"]))
    compact = big_endian(signed.r, 32) + big_endian(signed.s | (signed.v - 27) << 255, 32)
    expect("compactSignature", compact, unhex(vector["compactSignature"]))
    expect("recovered", Account.recover_message(signable, signature=unhex(vector["signature"])), vector["signer"])

    if primary_type == "Turn":
        packed = b"".join(
            big_endian(message[name], size)
            for name, size in (("ring", 4), ("epoch", 4), ("nonce", 5), ("validUntil", 5))
        )
        expect("id", packed.rjust(32, b"\0"), unhex(vector["id"]))
        expect("calls", unhex(vector["calls"]), message["calls"])
        expect("decodedCalls", b"".join(map(pack_call, vector["decodedCalls"])), message["calls"])
        check_charter(vector["charter"], expect)
        check_witness(vector, message["nonce"], digest, expect)
    return found


def pack_call(call):
    pays = call["kind"] == "pay"
    head = (
        bytes([pays])
        + unhex(call["requestId"])
        + big_endian(call["gas"], 3)
        + unhex(call["target"])
        + big_endian(call["amount"], 12)
    )
    if pays:
        return head
    data = unhex(call["data"])
    return head + big_endian(len(data), 3) + data


def check_charter(charter, expect):
    seats = charter["seats"]
    numbers = (
        ("lastNonce", 5),
        ("expiresAt", 5),
        ("interval", 3),
        ("turnsPerPeriod", 3),
        ("period", 3),
        ("quorum", 1),
        ("window", 1),
    )
    packed = b"".join(big_endian(charter[name], size) for name, size in numbers)
    terms = (packed + big_endian(len(seats), 1)).rjust(32, b"\0")
    budget = unhex(charter["asset"]) + big_endian(charter["cap"], 12)
    expect("terms", terms, unhex(charter["terms"]))
    expect("budget", budget, unhex(charter["budget"]))
    words = b"".join(unhex(seat).rjust(32, b"\0") for seat in seats)
    expect("charter", keccak(terms + budget + words), unhex(charter["hash"]))


def check_witness(vector, nonce, digest, expect):
    """The first Q seats of the window have signed, the others are named."""
    charter = vector["charter"]
    seats = charter["seats"]
    witness = unhex(vector["witness"])
    at = 0
    for i in range(len(seats)):
        seat = seats[(nonce + i) % len(seats)]
        signs = i < int(charter["quorum"])
        expect("witness tag", witness[at], int(signs))
        body = witness[at + 1 : at + (65 if signs else 21)]
        at += 1 + len(body)
        if not signs:
            expect("witness key", body, unhex(seat))
            continue
        vs = int.from_bytes(body[32:], "big")
        signature = keys.Signature(vrs=(vs >> 255, int.from_bytes(body[:32], "big"), vs & (1 << 255) - 1))
        key = signature.recover_public_key_from_msg_hash(digest)
        expect("witness signature", to_checksum_address(key.to_address()), seat)
    expect("witness length", at, len(witness))


def main():
    passed = failed = 0
    for name in FILES:
        try:
            vectors = json.loads((Path(__file__).parent / name).read_text())
        except (OSError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            vectors = []
        if not isinstance(vectors, list) or not vectors:
            failed += 1
            print(f"{name}: no vectors", file=sys.stderr)
            continue
        for vector in vectors:
            try:
                found = faults(vector)
            except Exception as error:  # A vector that cannot even be read has failed.
                found = [repr(error)]
            for fault in found:
                print(f"{name}, {vector.get('name')}: {fault}", file=sys.stderr)
            passed, failed = passed + (not found), failed + bool(found)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
