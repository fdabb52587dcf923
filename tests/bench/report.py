# SPDX-License-Identifier: MIT
"""The table: median, spread, and the ratio to the reference of the same round."""

import statistics

import points


def number(value):
    if value is None:
        return '-'
    if abs(value) >= 100:
        return '{:,.0f}'.format(value)
    return '%.3g' % value


def medians(rounds, key):
    values = [figures[key] for figures in rounds if figures and figures.get(key) is not None]
    return statistics.median(values) if values else None


def ratio(rounds, reference, key):
    """Rounds are compared one by one: the machine's speed drifts between them."""
    ratios = [a[key] / b[key] for a, b in zip(rounds, reference)
              if a and b and a.get(key) and b.get(key)]
    return statistics.median(ratios) if ratios else None


def case_rows(case, results):
    key = case.headline[0]
    reference = results[case.contestants[0][0]]['rounds']
    for label, _ in case.contestants:
        result = results[label]
        rounds = result['rounds']
        values = [figures[key] for figures in rounds if figures]
        if not values:
            yield [label, 'not measured: ' + result['failures'][0]] + [''] * (2 + len(case.columns))
            continue
        relative = ratio(rounds, reference, key)
        yield [label, number(statistics.median(values)),
               '%s .. %s' % (number(min(values)), number(max(values))),
               '-' if relative is None else '%.2f' % relative,
               *(number(medians(rounds, column)) for column in case.columns)]


def case_table(case, results):
    head = ['', case.headline[1], 'spread', 'x ref', *(points.HEADINGS[c] for c in case.columns)]
    rows = [head] + list(case_rows(case, results))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width)
                                             for cell, width in zip(row[1:], widths[1:])]
        lines.append('| ' + ' | '.join(cells) + ' |')
    lines.insert(1, '|' + '|'.join(['-' * (widths[0] + 2)]
                                   + ['-' * (width + 1) + ':' for width in widths[1:]]) + '|')
    return lines


def header(about):
    return ['%s, kernel %s, %s, %s.' % (about['date'], about['kernel'], about['cpu'],
                                        about['memory']),
            '%d rounds in turn, %g s each after %g s of warm-up; load average before: %s.'
            % (about['rounds'], about['seconds'], about['warm_up'], about['load_average_before']),
            'Placement: %s.' % '; '.join(about['placements']),
            'Peers: %s.' % (', '.join(about['peers']) or 'none'),
            '"x ref" is the median of the ratios to the first row within a round.']


def document(about, measured):
    """All of it, as Markdown that reads well as it is; @measured is [(point, case, results)]."""
    lines = header(about)
    last = None
    for point, case, results in measured:
        if point != last:
            lines += ['', '### %d. %s' % (point, points.TITLES[point])]
            last = point
        lines += ['', case.name[0].upper() + case.name[1:] + ':', '']
        lines += case_table(case, results)
    return '\n'.join(lines) + '\n'
