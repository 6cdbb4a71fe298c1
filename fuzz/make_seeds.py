#!/usr/bin/env python3
"""Writes `fuzz/seeds`: small inputs to begin with, a file for each thing that goes wrong in telemetry. The bytes before
the text say how it is read; see the targets. Standard library only.

    fuzz/make_seeds.py
"""

from pathlib import Path

SEEDS = Path(__file__).resolve().parent / "seeds"


def line(second, rest='"cpu":1,"mem":2.5'):
    return f'{{"timestamp":"2023-10-01T12:00:{second:02}Z","host":"web-{second % 3}",{rest}}}'


def lines(*rests):
    """Each between lines of the usual shape, so that there is a shape to depart from."""
    return "\n".join(text for at, rest in enumerate(rests) for text in (line(2 * at), line(2 * at + 1, rest))) + "\n"


def cpu(*numbers):
    return lines(*(f'"cpu":{number},"mem":{number}' for number in numbers))


TEXTS = {
    "usual": lines(*['"cpu":12,"mem":3.25,"service_status":{"db":"online","cache":"degraded"}'] * 8),
    "powers": cpu("1e22", "1e23", "1E-7", "-1e+3", "1e308", "1e-400", "2.2250738585072011e-308", "4.9e-324"),
    "overflow": cpu("1e400", "-1e400", "179769313486231580793728971405301e277"),
    "zeros": cpu("-0.0", "-0", "0", "0.0", "0e5", "-0e-5", "0.000000000000000000000000001"),
    "digits": cpu("12345678901234567", "0.12345678901234567", "9007199254740993", "9007199254740993.0",
                  "0.30000000000000004", "45.32178912345678", "99999999999999.99", "12345678.12345678"),
    "huge": cpu("18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809",
                "123456789012345678901234567890", "1" + "0" * 40),
    "malformed": cpu("01", "1.", ".5", "+1", "1e", "-", "--1", "0x1", "1_000", "1 2", "nul", "True"),
    "not_finite": cpu("NaN", "Infinity", "-Infinity", "inf", "nan"),
    "other_types": cpu("null", "true", "[]", "[1,[2]]", "{}", '{"a":1}', '"5"', '""'),
    "escapes": lines(r'"note":"a\"b\\c\/\n\u00e9","cpu":1', r'"note":"\\","cpu":2', r'"\u0063pu":3', r'"host":"a\"b","cpu":4',
                     r'"note":"\ud83d\ude00","cpu":5', r'"note":"\ud800","cpu":6', r'"note":"\x","cpu":7', r'"note":"\u12","cpu":8'),
    "shuffled": "".join('{' + ",".join(keys[at % 4:] + keys[:at % 4]) + "}\n" for at in range(12)
                        for keys in [[f'"timestamp":{1696161600 + at}', f'"cpu":{at}', '"host":"a"', f'"n":-{at}.5']]),
    "nested": lines('"a":{"b":1},"cpu":2', '"a.b":1', '"a":{"b":{"c":1}},"cpu":3', '"content":{"energy":1e3,"x":{"y":[{}]}}',
                    '"content":{"energy":5},"content.energy":6', '"a":' + "[" * 60 + "]" * 60, '"a":' + "[" * 140 + "]" * 140),
    "duplicates": lines('"cpu":1,"cpu":2', '"cpu":1,"cpu":null', '"cpu":1,"load":2,"mem":3', '"a":{"b":1},"a":{"c":2}',
                        '"timestamp":5,"cpu":1', '"host":"x","cpu":1', '"service_status":{"db":"online","db":"offline"}'),
    "statuses": lines('"service_status":{"db":"up","cache":"sleeping-deeply"}', '"service_status.db":"offline"',
                      '"service_status":{"db":"ONLINE","":"online"}', '"service_status":"online"', '"service_status":{"db":1}'),
    "blanks": "\n\r\n \n".join([line(1), "  " + line(2) + " \t", line(3).replace(":", " : ").replace(",", " ,\t"), "\0\0", line(4) + "\0"]),
    "byte_order_mark": "\ufeff" + line(1) + "\n\ufeff" + line(2) + "\n\ufeff\n" + line(3),
    "crlf": lines('"cpu":1', '"n":2', '"cpu":3').replace("\n", "\r\n"),
    "times": "".join(f'{{"timestamp":{time},"cpu":1}}\n' for time in (
        "1696161600", "1696161600000", "1696161600.5", "1696161600000000000", "-1", "1e9", '"2023-10-01 12:00:00"',
        '"2023-10-01T12:00:00.123456789+02:00"', '"2023-02-29T12:00:00Z"', '"1696161600"', '"0000-00-00T00:00:00Z"', '""', "null")),
    "late": "".join(line(second, '"cpu":1') + "\n" for second in (5, 4, 5, 5, 6, 3, 7)),
    "cut_off": lines('"cpu":1', '"cpu":2')[:-9],
    "no_record": "nothing\n[]\n{}\n",
    "long": lines('"note":"' + "x" * 300 + '"', '"cpu":1', '"note":"' + "\\n" * 90 + '","cpu":2'),
}
RAW = {
    "invalid_utf8": b"".join(line(at).encode() + b'\n{"timestamp":%d,"host":"a%s","cpu":1}\n' % (at, bad)
                             for at, bad in enumerate([b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xc3\xa9", b"\xf0\x9f\x98\x80"])),
    "control": b"".join(line(at).encode() + b'\n{"timestamp":%d,"note":"a%cb",%c"cpu":1}\n' % (at, c, c) for at, c in enumerate((0, 1, 9, 13, 31, 127))),
    "utf16": "\ufeff{}".encode("utf-16-le"),
    "blanks_and_utf16": b"\0\n\0" + "\ufeff{}".encode("utf-16-le"),
}
# Of the targets of blocks, in their formats: none said 0, JSON 1, NDJSON 2, CSV 3.
FORMATS = {
    "array": (0, "[" + ",\n".join(line(at) for at in range(8)) + "]\n"),
    "array_on_one_line": (0, "[" + ", ".join(line(at) for at in range(8)) + ",]"),
    "objects": (0, " ".join(line(at) for at in range(8))),
    "pretty": (0, "[\n  " + ",\n  ".join(line(at).replace(",", ",\n    ") for at in range(6)) + "\n]\n"),
    "broken_array": (1, "[" + ",\n".join(line(at) + (" 2}" if at == 3 else "") for at in range(6)) + "\n"),
    "wrapped": (0, '{"data":[' + ",".join(line(at) for at in range(3)) + "]}"),
    "csv": (0, "timestamp,host,cpu,service_status.db,note\n" + "".join(f'{1696161600 + at},h,{at}.5,online,"a\n""b"\n' for at in range(6))),
    "csv_semicolons": (0, "timestamp;cpu;mem\r\n" + "".join(f"2023-10-01T12:00:{at:02}Z;{at};-0\r\n" for at in range(12))),
    "csv_ragged": (3, "cpu,timestamp,cpu\n1,5\n2,6,7,8\n\n NaN , 7,1e22\n,,\n\"9,10\n"),
}


def write(target, name, head, text):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(bytes(head) + text)


texts = {**{name: text.encode() for name, text in TEXTS.items()}, **RAW}
for at, (name, text) in enumerate(texts.items()):
    write("lines", name, [at % 4 | 2 << 2 | (at % 5 == 4) << 5 | at % 4 << 6, 0xff - 0x22 * (at % 6)], text)
    write("blocks", name, [at % 2 * 2 | at % 4 << 2 | (at % 5 == 4) << 6 | at % 2 << 7, 20 + 9 * at, 1, 40, 7, 200], text)
for at, (name, (form, text)) in enumerate(FORMATS.items()):
    write("blocks", name, [form | at % 4 << 2 | at % 2 << 7, 10 + 7 * at, 3, 90, 30, 1], text.encode())
