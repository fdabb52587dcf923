# SPDX-License-Identifier: MIT
"""The client's machine output, as its readers may rely on it."""

import json

DISTRIBUTIONS = ('service_rtt_ns', 'response_rtt_ns', 'forward_pdv_ns', 'return_pdv_ns',
                 'residence_ns', 'wakeup_ns')
COUNTERS = ('sent', 'received', 'lost', 'late', 'duration_ns')
NOT_IN_TEXT = ('forward_pdv_ns', 'return_pdv_ns', 'residence_ns')
WORST_KEYS = {'seq', 'uuid', 'service_rtt_ns', 'response_rtt_ns', 'forward_pdv_ns', 'residence_ns',
              'return_pdv_ns', 'wakeup_ns', 'cause'}
CAUSES = {'server', 'path_out', 'path_back', 'local_wakeup', 'retransmit', 'rto', 'delayed_ack',
          'head_of_line', 'unknown'}
EVENTS = {'start', 'reply', 'interval', 'lost', 'outage', 'error', 'end'}


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool)


def check_document(case, document):
    """Every fixed key, with its type, whatever became of the run."""
    case.assertEqual(document['schema'], 'tcptimer/1')
    case.assertIn(document['protocol'], ('native', 'text', None))
    for key in COUNTERS:
        case.assertTrue(is_count(document[key]) and document[key] >= 0, (key, document[key]))
    for key in DISTRIBUTIONS:
        if document[key] is not None:
            check_distribution(case, document[key])
    if document['protocol'] == 'text':
        for key in NOT_IN_TEXT:
            case.assertIsNone(document[key], key)
        case.assertIsNone(document['clock_skew_ppm'])
    check_times(case, document)
    case.assertIsInstance(document['clock_skew_ppm'], (int, float, type(None)))
    case.assertIsInstance(document['outages'], list)
    case.assertIsInstance(document['worst'], list)
    for message in document['worst']:
        case.assertLessEqual(WORST_KEYS, set(message))
        case.assertIn(message['cause'], CAUSES)
        for key in WORST_KEYS - {'uuid', 'cause'}:
            case.assertTrue(message[key] is None or is_count(message[key]), (key, message[key]))
    response = [message['response_rtt_ns'] for message in document['worst']]
    case.assertEqual(response, sorted(response, reverse=True))
    if document['error'] is not None:
        case.assertIsInstance(document['error']['code'], str)
        case.assertIsInstance(document['error']['message'], str)
        case.assertNotIn('\n', document['error']['message'])


def check_times(case, value, name=''):
    """Whatever is named _ns is a whole number, unknown, or holds such."""
    if isinstance(value, dict):
        for key, inner in value.items():
            check_times(case, inner, key)
    elif isinstance(value, list):
        for inner in value:
            check_times(case, inner, name)
    elif name.endswith('_ns'):
        case.assertTrue(value is None or is_count(value), (name, value))


def check_distribution(case, distribution):
    for key in ('count', 'min', 'mean', 'max', 'stddev'):
        case.assertTrue(is_count(distribution[key]), (key, distribution[key]))
    case.assertLessEqual(distribution['min'], distribution['mean'])
    case.assertLessEqual(distribution['mean'], distribution['max'])
    known = []
    for key, value in distribution['percentiles'].items():
        float(key)
        case.assertTrue(value is None or is_count(value), (key, value))
        if value is not None:
            known.append((float(key), value))
            case.assertGreaterEqual(value, distribution['min'])
    values = [value for _, value in sorted(known)]
    case.assertEqual(values, sorted(values))


def document(case, client):
    """The one document on a client's stdout, checked."""
    parsed = json.loads(client.stdout)
    check_document(case, parsed)
    return parsed


def events(case, client):
    """The lines of --json-stream, checked for kind and order; the last one holds the document."""
    parsed = [json.loads(line) for line in client.stdout.splitlines()]
    for event in parsed:
        case.assertIn(event['event'], EVENTS)
    kinds = [event['event'] for event in parsed]
    case.assertEqual(kinds[0], 'start')
    case.assertEqual(kinds[-1], 'end')
    case.assertEqual((kinds.count('start'), kinds.count('end')), (1, 1))
    check_document(case, parsed[-1])
    return parsed
