"""Opens connections that send requests without a token and never read, with the smallest receive window.

Node cannot set a socket's receive buffer, so this is Python. Arguments: host, port, connections, seconds.
Prints the number of requests it sent.
"""

import socket
import sys
import time

HOST, PORT, CONNECTIONS, SECONDS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
# The gateway closes a connection with more than 16 waiting requests.
REQUESTS = 8
PERIOD_SECONDS = 5
BODY = b'{"path":"a.txt","size":5}'
REQUEST = (
    b"POST /v1/uploads HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


def connect():
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    client.connect((HOST, PORT))
    client.setblocking(False)
    return client


clients = [connect() for _ in range(CONNECTIONS)]
print("ready", flush=True)
sent = 0
ends_at = time.monotonic() + SECONDS
turns = 0
while time.monotonic() < ends_at:
    index = turns % CONNECTIONS
    try:
        sent += clients[index].send(REQUEST * REQUESTS) // len(REQUEST)
    except BlockingIOError:
        pass
    except OSError:
        # The gateway has closed it.
        clients[index].close()
        clients[index] = connect()
    turns += 1
    due_at = ends_at - SECONDS + turns * PERIOD_SECONDS / CONNECTIONS
    time.sleep(max(0, due_at - time.monotonic()))
print(sent, flush=True)
