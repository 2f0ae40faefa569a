"""Python's `websockets`: it compresses every message, and offers a window of 12 bits, or the one of the third argument."""

import sys

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

url, sizes, bits = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
offer = ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=True)
with connect(url, compression=None, extensions=[offer]) as socket:
    names = [extension.name for extension in socket.protocol.extensions]
    assert names == ["permessage-deflate"], names
    for size in sizes:
        text = "a row of the table, " * (int(size) // 20)
        socket.send(text)
        assert socket.recv() == text, size
print("all right")
