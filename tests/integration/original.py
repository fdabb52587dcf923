# SPDX-License-Identifier: MIT
"""The original pair of programs, as far as the wire can tell them: written anew from their
description, faults included, because both must go on working against ours for ever.
"""

import socket
import time
import uuid

from peers import Server

RECV_SIZE = 1024
BACKLOG = 5
TIMEOUT = 5.0


def serve(connection, _number):
    """A thread per client; what one recv() brings is one message, whatever it is."""
    previous = time.time()
    while True:
        message = connection.recv(RECV_SIZE)
        if not message:
            return
        delta = time.time() - previous
        text = message.decode('utf-8', 'replace')
        connection.sendall(('UUID: %s received after %f seconds' % (text, delta)).encode())
        previous = time.time()      # after sending: the reply's own cost is in no delta


def start_server(case, host='127.0.0.1'):
    return Server(case, serve, host=host, backlog=BACKLOG)


def run_client(address, num_msgs, timeout=TIMEOUT, pause=lambda number: None):
    """Sends and receives in turn; what one recv() brings is one reply. Returns (sent, reply) pairs.

    pause: called before each message with its number, to make the timing odd.
    """
    exchanges = []
    with socket.create_connection(address, timeout) as connection:
        for number in range(num_msgs):
            pause(number)
            message = str(uuid.uuid4())
            connection.sendall(message.encode())
            exchanges.append((message, connection.recv(RECV_SIZE).decode()))
    return exchanges
