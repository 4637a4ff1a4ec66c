//! Documents that are odd in every way that was thought of, and random ones.

/// Documents that are odd in one way each.
const NASTY: &[&str] = &[
    r#"{"a":"x","b":{"c":1},"d":1.5}"#,
    r#"{"a":"y","b":{"c":2},"d":2.5,"e":true}"#,
    r#"{"a":"","b":{"c":-1},"d":0.1,"e":false}"#,
    r#"{"a":null,"b":null,"d":null,"e":null}"#,
    r#"{}"#,
    r#""#,
    r#" "#,
    r#"null"#,
    r#"true"#,
    r#"12"#,
    r#""text""#,
    r#"[1,2,{"a":"in array"}]"#,
    r#"end"#,
    r#"{"a":1,"b":{"c":"three"},"d":"4.5","e":"true"}"#,
    r#"{"a":1.0,"b":{"c":3.0},"d":1e5,"e":"false"}"#,
    r#"{"a":1.50,"b":{"c":1e400},"d":-0,"e":"TRUE"}"#,
    r#"{"a":-0.0,"b":{"c":-0},"d":123456789012345678901234567890,"e":1}"#,
    r#"{"a":9223372036854775807,"b":{"c":-9223372036854775808},"d":9223372036854775808,"e":0}"#,
    r#"{"a":[1,2],"b":[{"c":9}],"d":{"x":1},"e":[]}"#,
    r#"{"a":{"z":{}},"b":{"c":{"deep":1}},"d":[[]],"e":{}}"#,
    r#"{"a":"first","a":"second","b":{"c":1,"c":2},"b":{"c":3}}"#,
    r#"{"b":5,"b":{"c":6}}"#,
    r#"{"b":{"x":1},"b":{"c":7}}"#,
    r#"{"a":"\u00e9\n\t\"\\\/","b":{"c":"\ud83d\ude00"},"d":"\u0000"}"#,
    r#"{"a":"\ud800","b":{"c":1}}"#,
    r#"{"a":"\q","b":{"c":8},"d":3}"#,
    r#"{"d":1,"a":"\u12","b":{"c":8}}"#,
    "{\"a\":\"raw\u{1}control\",\"b\":{\"c\":10}}",
    r#"{"a":"cut"#,
    r#"{"a":"cut","b":{"c":11"#,
    r#"{"a":"cut","b":{"c":12},"#,
    r#"{"a":"cut","b":{"c":13},}"#,
    r#"{"a":"junk","b":{"c":14}} trailing"#,
    r#"{"a":"junk" "b":{"c":15}}"#,
    r#"{"a":01,"b":{"c":16}}"#,
    r#"{"a":+1,"b":{"c":17}}"#,
    r#"{"a":1.,"b":{"c":18}}"#,
    r#"{"a":.5,"b":{"c":19}}"#,
    r#"{"a":1e,"b":{"c":20}}"#,
    r#"{"a":-,"b":{"c":21}}"#,
    r#"{"a":NaN,"b":{"c":22},"d":Infinity}"#,
    r#"{"a":-Infinity,"b":{"c":23}}"#,
    r#"{"a":tru,"b":{"c":24}}"#,
    r#"{"e":tru,"b":{"c":24}}"#,
    r#"{"a":'single',"b":{"c":25}}"#,
    r#"{a:1,"b":{"c":26}}"#,
    "\u{feff}{\"a\":\"bom\",\"b\":{\"c\":27}}",
    r#"  {  "a"  :  "spaces"  ,  "b" : { "c" : 28 } }  "#,
    r#"{"a.b":"dot","a/b":"slash","a~b":"tilde","a#b":"hash","":"empty","0":"zero","-1":"minus","b":{"":{"c":1}}}"#,
    r#"{"0":{"c":"index"},"b":{"0":"zero","c":29}}"#,
    r#"{"a":"12","b":{"c":" 12"},"d":"1e3","e":"yes"}"#,
    r#"{"a":"+1","b":{"c":"0x10"},"d":"NaN","e":"no"}"#,
    r#"{"a":"inf","b":{"c":"1_000"},"d":"-0","e":"null"}"#,
    r#"{"b":{"c":"{\"inner\":1}"},"a":"[1]"}"#,
    r#"{"d":{"skip":"\q"},"a":"after a bad escape that is skipped","b":{"c":30}}"#,
    r#"{"unknown":"\q","a":"after","b":{"c":31},"d":7}"#,
    r#"{"b":{"unknown":"\ud800\u","c":32},"a":"later"}"#,
    r#"{"a":"x\ud83dy","b":{"c":33,"unknown":"\ude00"},"d":1.5,"e":true}"#,
    r#"{"unknown":"\ude00\ud83d","a":"\ud83d\ude00\ud83d","b":{"c":"\ude00"},"d":"after"}"#,
    r#"{"k\ud83d":1,"k\ude00":2,"a":"after the keys","b":{"c":[1,"\ud83d",{"a":"\ude00"}]}}"#,
    r#"{"a":{"z":"\ud83d","y":"a longer text behind half a pair"},"b":[{"c":"\ud83d"},34],"d":["\ud83d","\ud83d\ude00"]}"#,
    r#"{"unknown":"\ud83d","a":"half and cut","b":{"c":35},"d":"cu"#,
    r#"{"a":"half and a bad escape","unknown":"\ud83d","b":{"c":36,"deep":"\q"},"d":37}"#,
    r#"["\ud83d",{"a":38}]"#,
    r#""\ud83d""#,
];

/// Keys that paths are made of; all documents use some of them.
pub const PATHS: &[&[&str]] = &[
    &["a"],
    &["b"],
    &["d"],
    &["e"],
    &["b", "c"],
    &["b", "c", "deep"],
    &["a", "z"],
    &["a.b"],
    &["a/b"],
    &["a~b"],
    &["a#b"],
    &[""],
    &["0"],
    &["b", "0"],
    &["nowhere"],
    &["b", "nowhere"],
    &["unknown"],
    &["k\u{fffd}"],
    &["b", "unknown"],
    &["k", "k", "k", "k", "k", "k", "k", "k", "k"],
    &["mail"],
    &["copy"],
];

/// What stands at `mail`: mostly addresses, of few domains.
const MAILS: &[&str] = &[
    "\"ann@x.de\"",
    "\"Bob@X.de\"",
    "\"c.d@sub.example.com\"",
    "\"e@x.de\"",
    "\"\\u0066@ex\\u0061mple.com\"",
    "\" g@x.de \"",
    "\"no address\"",
    "\"\\ud83d@ex\\u0061mple.com\"",
    "\"h@x.de\",\"mail\":\"second@example.com\"",
    "12",
    "null",
    "{\"of\":\"i@x.de\"}",
];

/// What the values begin with that a column of the table holds too.
pub const COPIED: &str = "copied-";

/// Returns the value of the column that a document's path copies.
pub fn copied(document: Option<&str>) -> Option<&str> {
    let from = document?.strip_prefix("{\"copy\":\"")?;
    from.starts_with(COPIED).then(|| from.split('"').next()).flatten()
}

/// Texts of Action Data, most of them with a name.
pub const ACTIONS: &[Option<&str>] = &[
    Some("end"),
    Some("\"end\""),
    Some("{\"action\":\"createInteraction\",\"queue\":\"billing\"}"),
    Some("{\"type\":\"\\u0065nd\"}"),
    Some("{\"name\":\"end\""),
    Some("{\"webhook\":{}}"),
    Some("{\"note\":\"\\ude00\",\"action\":\"end\"}"),
    Some("\"say\\ud83d\""),
    Some("17"),
    None,
];

/// A small generator of numbers, so that cases are the same every time.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn value(&mut self, depth: usize) -> String {
        const SCALARS: &[&str] = &[
            "1",
            "0",
            "-3",
            "2.5",
            "-0",
            "1.50",
            "1e3",
            "true",
            "false",
            "null",
            "\"\"",
            "\"x\"",
            "\"12\"",
            "\"true\"",
            "\"é\\n\"",
            "\"half \\ud83d of a pair\"",
            "\"\\ude00\"",
            "12345678901234567890",
            "\"long text that is not so very short at all, really\"",
        ];
        match self.below(if depth > 9 { 8 } else { 11 }) {
            0..=7 => self.pick(SCALARS).to_owned(),
            8 => {
                let items: Vec<_> = (0..self.below(3)).map(|_| self.value(depth + 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => self.object(depth + 1),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        const KEYS: &[&str] =
            &["a", "b", "c", "d", "e", "a.b", "a/b", "", "0", "z", "deep", "unknown", "k", "k\\ud83d"];
        let members: Vec<_> =
            (0..self.below(6)).map(|_| format!("\"{}\":{}", self.pick(KEYS), self.value(depth))).collect();
        format!("{{{}}}", members.join(if self.below(9) == 0 { " , " } else { "," }))
    }

    fn mutated(&mut self, document: &str) -> String {
        let mut bytes = document.as_bytes().to_vec();
        if bytes.is_empty() {
            return String::new();
        }
        let at = self.below(bytes.len());
        match self.below(4) {
            0 => bytes.truncate(at),
            1 => bytes[at] = b"{}[]\",:\\ x0-"[self.below(12)],
            2 => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, b"{}[]\",:\\ x0-"[self.below(12)]),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

pub fn documents(seed: u64) -> Vec<Option<String>> {
    let mut random = Random(seed | 1);
    let mut documents: Vec<Option<String>> = NASTY.iter().map(|d| Some((*d).to_owned())).collect();
    documents.push(None);
    for levels in [7, 8, 9, 120, 199, 200, 201, 260] {
        documents.push(Some(format!("{}1{}", "{\"k\":".repeat(levels), "}".repeat(levels))));
        documents.push(Some(format!(
            "{{\"z\":{}{},\"a\":\"behind\",\"b\":{{\"c\":1}}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )));
    }
    for index in 0..200 {
        let document = random.object(0);
        documents.push(Some(if index % 3 == 0 { random.mutated(&document) } else { document }));
    }
    if seed.is_multiple_of(2) {
        for document in documents.iter_mut().flatten().filter(|document| document.starts_with("{\"")) {
            if random.below(4) > 0 {
                let mails = if random.below(4) == 0 { MAILS } else { &MAILS[..4] };
                let mail = random.pick(mails);
                *document = format!("{{\"mail\":{mail},{}", &document[1..]);
            }
        }
    }
    if seed.is_multiple_of(3) {
        // A path that a column of the table holds too, but for few values where the seed is even.
        let odd = ["1.50", "17", "123456789012345678901234567890", "\"else\""];
        for (index, document) in documents.iter_mut().flatten().filter(|text| text.starts_with("{\"")).enumerate() {
            let is_odd = seed.is_multiple_of(2) && index % 37 == 5;
            let odd = odd.get(index / 37).filter(|_| is_odd);
            let copy = odd.map_or_else(|| format!("\"{COPIED}{}\"", random.below(40)), |odd| (*odd).to_owned());
            *document = format!("{{\"copy\":{copy},{}", &document[1..]);
        }
    }
    // The order decides what a sample sees, and which row group a kind is met in.
    for index in (1..documents.len()).rev() {
        documents.swap(index, random.below(index + 1));
    }
    documents
}

/// Documents among so many others without keys that most of their paths are rare, and a sample has not met all.
pub fn rare_documents(seed: u64) -> Vec<Option<String>> {
    let mut random = Random(seed | 1);
    let mut all: Vec<Option<String>> = (0..2_500).map(|_| Some("{}".to_owned())).collect();
    for document in documents(seed).into_iter().take(60) {
        let at = random.below(all.len());
        all[at] = document;
    }
    all
}
