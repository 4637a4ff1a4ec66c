"""Asks the Python port of libphonenumber what texts are in E.164, and writes its answers.

    reference.py full|recorded > answers.tsv
    reference.py damaged SEED COUNT > answers.tsv

A line is: form, text, the answer in most regions, and the regions in which it is another: `AT,CH=+4312;DE=` (nothing: null).
An answer that begins with `~` is one of the region's own country code: `~12` is +4312 in AT. The first lines have the codes. A region is the default one for numbers without a country code; `-` is none. `full` has every example number of all regions and
types, in every form that it is written in. `recorded` has a part of them, small enough to be kept. `damaged` has random pieces,
and numbers with pieces in them, with a few regions.
"""
import random
import sys
from collections import defaultdict

import phonenumbers as p
from phonenumbers import PhoneNumberFormat as F
from phonenumbers import PhoneNumberType as T

REGIONS = ["-"] + sorted(p.SUPPORTED_REGIONS)

FULLWIDTH = str.maketrans("+0123456789-", "＋０１２３４５６７８９－")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")

# Texts that are no form of an example: vanity letters, brackets, several numbers, damage, and what is no number at all.
TEXTS = """1-800-FLOWERS
1-800-FLOWERS ext. 12
(800) FLOWERS
+1-800-GOFEDEX
+1 800 six-flag
1800MICROSOFT
+800 FLOWERS1
0800 REWORK
1800-CALL-NOW-1
FLOWERS
+39 (0)6 1234 5678
+39 06 698 83145
+39 (0)2-36618 300
+49 (0)30 901820
+49 (0) 30 901820
+49(0)30/901820
+44 (0)20 7946 0958
+41 (0)44 668 18 00
+34 (0)91 123 45 67
+1 (0)202 555 0143
++1 202 555 0143
+ 1 202 555 0143
+1 202 555 0143 x5
+1 202 555 0143 ext 5
+1 202 555 0143 ext. 5678901
+1 202 555 0143 extension 5
+1 202 555 0143 #5
+1 202 555 0143#
+1 202 555 0143,5
+1 202 555 0143,,5#
+1 202 555 0143;5
+1 202 555 0143 int 5
+1 202 555 0143 anexo 5
+1 202 555 0143 доб. 5
+1 202 555 0143 x 5 x 6
+1 202 555 0143 x302/x2303
+1 202 555 0143/4
202-555-0143/202-555-0144
+1 202 555 0143 or +1 202 555 0144
(530) 583-6985 x302/x2303
tel:+1-202-555-0143
TEL:+1-202-555-0143
tel:+1-202-555-0143;ext=5
tel:+1-202-555-0143;isub=12345
tel:202-555-0143;phone-context=+1
tel:555-0143;phone-context=+1202
tel:202-555-0143;phone-context=example.com
tel:202-555-0143;phone-context=
tel:202-555-0143;phone-context=+
tel:202-555-0143;phone-context=1
202-555-0143;phone-context=+1
tel:7042;phone-context=example.com
tel:03-331-6005;phone-context=+64
tel:+64-3-331-6005;isub=12345;phone-context=+64
sip:alice@example.com
sip:+12025550143@example.com
sips:+4930901820@example.com;user=phone
12025550143@example.com
anonymous
Anonymous
unknown
restricted
withheld
private
n/a
-
+
++
00
011
0
1
12
112
911
123
1234
12345
123456
1234567
12345678
123456789
1234567890
12345678901
123456789012
1234567890123
12345678901234
123456789012345
1234567890123456
12345678901234567
123456789012345678
+12
+1 2
+1 23
+1 234
+999123456789
+0 123 456 789
+01 202 555 0143
+1 1 202 555 0143
+1 0 202 555 0143
+49 0 30 901820
+490 30 901820
+4 930 901820
+49123456789012345
+491234567890123456
+4912345678901234567
+1202555014312345678
1+2025550143
1 + 202 555 0143
202.555.0143
202 555 0143
(202)555-0143
(202) 555-0143
[202] 555-0143
{202} 555-0143
202_555_0143
202*555*0143
*67 202 555 0143
*31#0301234567
#31#0301234567
**21*0301234567#
*100#
202–555–0143
202—555—0143
202 555 0143
202​555​0143
202­555­0143
202⁠555⁠0143
‪+1 202 555 0143‬
+1 202 555 0143 
＋１　２０２　５５５　０１４３
﹢1 202 555 0143
⁺1 202 555 0143
+١ ٢٠٢ ٥٥٥ ٠١٤٣
+۱ ۲۰۲ ۵۵۵ ۰۱۴۳
+१ २०२ ५५५ ०१४३
０３０ ９０１８２０
030 / 90 18 20
030~901820
030∼901820
030～901820
03ー3331ー6005
Tel. +49 30 901820
Tel.: 030 901820
Phone: (202) 555-0143
call 202-555-0143 now
call +1 202-555-0143 now
202-555-0143 (home)
202-555-0143 home
+1 202-555-0143 Home
"+1 202 555 0143"
<+12025550143>
'+12025550143
=+12025550143
+1 202 555 0143.
+1 202 555 0143,
+1 202 555 0143;
+1 202 555 0143)
+1 202 555 0143"
+1.2025550143E+10
1.2025550143E+10
2025550143.0
-2025550143
2,025,550,143
2026-11-20
2026-11-20 10:00
10:00
192.168.0.1
550e8400-e29b-41d4-a716-446655440000
null
\\N
+54 9 11 2345 6789
+54 11 15 2345 6789
011 15 2345-6789
0343 15 555 1212
011 15-2345-6789
+52 1 55 1234 5678
+52 55 1234 5678
044 55 1234 5678
01 55 1234 5678
+55 11 96123 4567
0 15 11 96123 4567
0xx15 11 96123 4567
+7 800 555-35-35
8 800 555-35-35
8 10 49 30 901820
8~10 49 30 901820
+86 138 0013 8000
0 138 0013 8000
17951 138 0013 8000
+44 121 234 5678
011 60 12-345 6789
011 44 20 7946 0958
0011 44 20 7946 0958
00 44 20 7946 0958
0044 (0)20 7946 0958
810 44 20 7946 0958
010 44 20 7946 0958
001 44 20 7946 0958
000 44 20 7946 0958
009 44 20 7946 0958
119 44 20 7946 0958
00 1 202 555 0143
1 44 20 7946 0958
44 20 7946 0958
49 30 901820
4930901820
390612345678
12025550143
912025550143
0612345678
06 12 34 56 78
0033 6 12 34 56 78
+225 01 02 03 0405
+378 0549 886377
0549 886377
+378 886377
+39 0549 886377
+379 06 698 12345
+599 9 123 4567
+800 1234 5678
+808 1234 5678
+870 773 111 632
+878 10 123456789012
+881 6 123 4567
+882 34 12345678
+883 5100 12345678
+888 123 456 789 01
+979 1 2345 6789
+972-3-977-1000
+972 (0)3 977 1000
+82 (0)2 312 3456
+36 (06) 1 234 5678
06 1 234 5678
+375 8 0152 450911
80152 450911
+370 8 5 234 5678
85 234 5678
+996 0312 123456
+1 268 460 1234
460 1234
464 1234
+1 441 292 1234
292 1234
+1 246 412 3456
412 3456
+61 (0)2 9876 5432
+64 (0)3 331 6005
+66 (0)2 123 4567
+358 (0)9 1234567
+46 (0)8 123 456 78
+47 21 23 45 67
+45 32 12 34 56
+420 212 345 678
+48 12 345 67 89
+90 (0)212 345 6789
+380 (0)31 123 4567
+81 (0)3-1234-5678
+852 2123 4567
+886 (0)2 1234 5678
+91 (0)11 2345 6789
+92 (0)21 23456789
+98 (0)21 2345 6789
+27 (0)10 123 4567
+20 (0)2 34567890
+234 (0)1 804 0123
+254 (0)20 2012345""".split("\n")


def read(text, region):
    try:
        number = p.parse(text, None if region == "-" else region)
    except p.NumberParseException:
        return ""
    return p.format_number(number, F.E164)


def examples():
    """Yields every example number once."""
    seen = set()
    numbers = [p.example_number_for_type(r, t) for r in sorted(p.SUPPORTED_REGIONS) for t in T.values()]
    numbers += [p.example_number_for_non_geo_entity(c) for c in sorted(p.COUNTRY_CODES_FOR_NON_GEO_REGIONS)]
    for number in numbers:
        if number is not None and (text := p.format_number(number, F.E164)) not in seen:
            seen.add(text)
            yield number


def forms(number, regions):
    """Yields the forms that a number is written in, with their names."""
    code = number.country_code
    own = p.region_code_for_country_code(code)
    nsn = p.national_significant_number(number)
    e164, inter, national, rfc = (p.format_number(number, f) for f in (F.E164, F.INTERNATIONAL, F.NATIONAL, F.RFC3966))
    yield "e164", e164
    yield "international", inter
    yield "national", national
    yield "rfc3966", rfc
    yield "national digits", "".join(c for c in national if c.isdigit())
    yield "significant", nsn
    yield "no plus", f"{code}{nsn}"
    yield "no plus spaced", inter.lstrip("+")
    yield "dots", inter.replace(" ", ".").replace("-", ".")
    yield "brackets", f"+{code} ({nsn[:2]}) {nsn[2:]}"
    yield "zero in brackets", f"+{code} (0){nsn}"
    yield "zero after code", f"+{code}0{nsn}"
    yield "code in brackets", f"(+{code}) {nsn}"
    yield "00", f"00{code}{nsn}"
    yield "00 spaced", f"00 {inter.lstrip('+')}"
    yield "011", f"011 {inter.lstrip('+')}"
    yield "trunk 0", f"0{nsn}"
    yield "trunk 1", f"1{nsn}"
    yield "trunk 8", f"8{nsn}"
    yield "+ and trunk", f"+{code} {national}"
    yield "extension x", f"{inter} x123"
    yield "extension ext.", f"{national} ext. 1234"
    yield "extension #", f"{inter}#12"
    yield "extension rfc", f"{rfc};ext=42"
    yield "context", f"tel:{nsn};phone-context=+{code}"
    yield "context domain", f"tel:{nsn};phone-context=example.com"
    yield "isub", f"{rfc};isub=1;phone-context=+{code}"
    yield "fullwidth", inter.translate(FULLWIDTH)
    yield "fullwidth national", national.translate(FULLWIDTH)
    yield "arabic", national.translate(ARABIC)
    yield "words", f"Tel.: {inter} (office)"
    yield "short", nsn[-7:]
    yield "cut", e164[:-2]
    yield "long", e164 + "0123"
    yield "vanity", f"+{code} {nsn[:-4]}CALL"
    for region in regions:
        yield "dialled abroad", p.format_out_of_country_calling_number(number, region)
    yield "original", p.format_number_for_mobile_dialing(number, own, True) or e164


def line(form, text):
    answers = {region: read(text, region) for region in REGIONS}
    kinds = defaultdict(list)
    for region, answer in answers.items():
        kinds[answer].append(region)
        if region != "-" and answer.startswith(start := f"+{p.country_code_for_region(region)}"):
            kinds["~" + answer[len(start):]].append(region)
    most = max(kinds, key=lambda kind: (len(kinds[kind]), kind))
    others = defaultdict(list)
    for region, answer in answers.items():
        if region not in kinds[most]:
            others[answer].append(region)
    others = ";".join(f"{','.join(regions)}={answer}" for answer, regions in sorted(others.items()))
    return f"{form}\t{text}\t{most}\t{others}"


PIECES = """+ 00 011 0 1 8 9 15 49 44 39 54 52 7 ( ) - . / x ext ext. # , ; ,, tel: ;phone-context= ;ext= ;isub= @ a CALL example.com
+1 1202555 0143 2025550143 30901820 06 ٣ ９ \u00a0 – ～ ~ * \\ é = int anexo доб // +49""".split() + [" ", " x"]


def damaged(seed, count):
    """Yields random texts: pieces, and examples with pieces and digits put in and characters left out."""
    chance = random.Random(seed)
    written = [p.format_number(n, f) for n in examples() for f in (F.INTERNATIONAL, F.NATIONAL)]
    for _ in range(count):
        if chance.random() < 0.3:
            yield "".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 12)))
            continue
        text = chance.choice(written)
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(text) + 1)
            kind = chance.randrange(3)
            text = text[:at] + (chance.choice(PIECES) if kind == 0 else chance.choice("0123456789") if kind == 1 else "") + text[at + (kind > 0):]
        yield text if chance.random() < 0.9 else chance.choice(PIECES) + text


def main():
    global REGIONS
    mode = sys.argv[1]
    if mode == "damaged":
        REGIONS = ["-", "US", "DE", "IT", "AR", "BR", "MX", "RU", "JP", "AG", "CL", "GB", "KR"]
    print(f"# phonenumbers {p.__version__}")
    print("# codes", *(f"{region}={p.country_code_for_region(region)}" for region in REGIONS[1:]))
    abroad = ["US", "DE", "RU", "BR", "JP", "AU", "KR", "FI", "CO", "IL", "TH", "CU", "HK", "BY", "KZ"]
    seen = set()
    if mode == "damaged":
        todo = [("damaged", text) for text in damaged(int(sys.argv[2]), int(sys.argv[3]))]
    else:
        todo = [("text", text) for text in TEXTS]
    for index, number in enumerate(examples() if mode != "damaged" else ()):
        for place, (form, text) in enumerate(forms(number, abroad)):
            # Of the recorded ones each number stands in its international form and, by turns, in others.
            if mode == "full" or form == "e164" or (index + place) % 157 == 0:
                todo.append((form, text))
    for form, text in todo:
        if "\t" not in text and text not in seen:
            seen.add(text)
            print(line(form, text))


if __name__ == "__main__":
    main()
