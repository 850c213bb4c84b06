"""Binary records in bytes, bytearray and memoryview."""

import struct


class RecordWriter:
    """Length-prefixed records in one growing buffer."""

    def __init__(self):
        self.buffer = bytearray()
        self.records = 0

    def write(self, payload):
        self.buffer += struct.pack("<I", len(payload))
        self.buffer += payload
        self.records += 1

    def patch(self, offset, value):
        self.buffer[offset] ^= value
        view = memoryview(self.buffer)
        view[offset + 1 : offset + 3] = b"ok"
        view.release()


def read(buffer):
    """The payloads, and a simple checksum."""
    position, payloads, check = 0, [], 0
    while position < len(buffer):
        (size,) = struct.unpack_from("<I", buffer, position)
        position += 4
        payloads.append(bytes(buffer[position : position + size]))
        position += size
        check += size
        check &= 0xFF
    return payloads, check


def main():
    writer = RecordWriter()
    for word in ("tensor", "leaf", "view"):
        payload = word.encode()
        payload += b"\n"
        payload *= 2
        writer.write(payload)
    writer.patch(4, 0x20)
    payloads, check = read(writer.buffer)
    return {"payloads": payloads, "check": check, "records": writer.records}


if __name__ == "__main__":
    print(main())
