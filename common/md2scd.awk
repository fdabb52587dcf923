# SPDX-License-Identifier: MIT
# Turns PROTOCOL.md into scdoc(5), so that the page and the manual page are one source.
#
# Knows what that page uses: headings (the first is "name - description"), paragraphs, lists, tables,
# fenced blocks, `code`, **strong** and *emphasis*. Any POSIX awk does.
# usage: awk -v page='tcptimer-protocol(7)' -f md2scd.awk PROTOCOL.md

# Text between its markup: what scdoc would take for markup is escaped.
function plain(text)
{
    gsub(/[\\_*]/, "\\\\&", text)
    return text
}

function inline(text,    parts, n, i, out)
{
    n = split(text, parts, "`")
    for (i = 1; i <= n; i++) {
        if (i % 2 == 0) {
            out = out "*" plain(parts[i]) "*"
            continue
        }
        gsub(/\*\*/, "\001", parts[i])
        gsub(/\*/, "\002", parts[i])
        parts[i] = plain(parts[i])
        gsub(/\001/, "*", parts[i])
        gsub(/\002/, "_", parts[i])
        out = out parts[i]
    }
    return out
}

# One row; the first of a table says how its columns are set.
function row(line, first,    cells, n, i)
{
    n = split(line, cells, "|")
    for (i = 2; i < n; i++) {
        gsub(/^ +| +$/, "", cells[i])
        cells[i] = inline(cells[i])
        if (first && cells[i] != "")
            cells[i] = "*" cells[i] "*"
        print (i > 2 ? ":" : first ? "[" : "|") (!first ? " " : i == n - 1 ? "<" : "[") " " cells[i]
    }
}

NR == 1 {
    sub(/^# /, "")
    print page
    print ""
    print "# NAME"
    print ""
    print
    print ""
    print "# DESCRIPTION"
    next
}

/^```/ {
    fenced = !fenced
    print "```"
    next
}

fenced {
    gsub(/\\/, "\\\\")
    print
    next
}

/^\|[ -|]*-[ -|]*$/ && in_table == 1 {
    in_table = 2
    next
}

/^\|/ {
    row($0, !in_table)
    if (!in_table)
        in_table = 1
    next
}

{
    in_table = 0
}

/^## / {
    print "# " toupper(substr($0, 4))
    next
}

/^### / {
    print "## " substr($0, 5)
    next
}

/^#### / {
    print "*" substr($0, 6) "*"
    next
}

/^[0-9]+\. / {
    sub(/^[0-9]+\. /, ". ")
}

/^   ? ?[^ ]/ {      # a list item goes on
    sub(/^ +/, "  ")
}

{
    print inline($0)
}
