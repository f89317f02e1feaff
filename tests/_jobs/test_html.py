"""Tables of a report."""

from wengert._jobs.html import table


def test_columns_of_numbers_are_marked():
    rows = [("score", "value", "range"), ("R²", "0.5", "(0.4 to 0.6)"), ("rows", "-1,200", "")]
    head, *body = table(rows).split("<tr>")[1:]
    assert head.startswith('<th>score</th><th class="number">value</th><th>range</th></tr>')
    assert body[0] == '<td>R²</td><td class="number">0.5</td><td>(0.4 to 0.6)</td></tr>'
    assert body[1].startswith('<td>rows</td><td class="number">-1,200</td><td></td></tr>')


def test_short_rows_are_filled_and_texts_are_no_markup():
    assert table([("a", "b"), ("<i>",)]).endswith("<td>&lt;i&gt;</td><td></td></tr></tbody></table>")
